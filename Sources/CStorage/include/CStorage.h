#pragma once

#include <stdint.h>

/// Gives a file blocks from its beginning to `size` without a change of what it holds; 0, or the error's number.
///
/// Not `posix_fallocate`: where the file system can't, that one writes zeros, and somebody may be writing there.
int storage_allocate(int descriptor, int64_t size);

/// Opens a file of the directory's file system that never gets a name (`O_TMPFILE`, which glibc shows to those only who ask
/// for its extensions); a descriptor, or -1 and `errno`.
int storage_open_nameless(const char *directory);

/// Takes the write lock of a file's first byte without waiting, for as long as its description is open; 0, or the error's
/// number.
///
/// `F_OFD_SETLK` conflicts with the locks of `fcntl`, which Java's `FileChannel.tryLock` takes, and `flock` does not.
int storage_lock(int descriptor);
