#pragma once

#include <stdint.h>

/// Gives a file blocks from its beginning to `size` without a change of what it holds; 0, or the error's number.
///
/// Not `posix_fallocate`: where the file system can't, that one writes zeros, and somebody may be writing there.
int storage_allocate(int descriptor, int64_t size);
