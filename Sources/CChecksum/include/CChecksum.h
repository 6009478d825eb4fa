#pragma once

#include <stddef.h>
#include <stdint.h>

/// Whether this processor multiplies without carries, and ``checksum_fold`` may be called.
int checksum_can_fold(void);

/// Carries a CRC-32 (reflected polynomial 0xEDB88320) over `count` bytes, a multiple of 16 and at least 64, and gives the
/// new register; both registers are inverted, as tables hold them.
uint32_t checksum_fold(uint32_t inverted_sum, const void *bytes, size_t count);
