// libssh2, and of the libcrypto that libssh2 itself stands on, the digests.
#include <libssh2.h>
#include <libssh2_sftp.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
