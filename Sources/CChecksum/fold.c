// CRC-32 by carry-less multiplication, 64 bytes a step: Gopal and others, "Fast CRC Computation for Generic Polynomials
// Using PCLMULQDQ Instruction", Intel 2009, with its constants for the reflected polynomial of IEEE 802.3.
#include "CChecksum.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define FOLDING __attribute__((target("pclmul,sse4.1")))

int checksum_can_fold(void) { return __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1"); }

// Moves a remainder of 128 bits forward by the distance that the constants stand for, and adds what stands there.
FOLDING static inline __m128i advance(__m128i sum, __m128i constants, __m128i next) {
    __m128i low = _mm_clmulepi64_si128(sum, constants, 0x00);
    __m128i high = _mm_clmulepi64_si128(sum, constants, 0x11);
    return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

FOLDING static inline __m128i load(const uint8_t *bytes) { return _mm_loadu_si128((const __m128i *)bytes); }

FOLDING uint32_t checksum_fold(uint32_t inverted_sum, const void *start, size_t count) {
    const __m128i by_512 = _mm_set_epi64x(0x01c6e41596, 0x0154442bd4);
    const __m128i by_128 = _mm_set_epi64x(0x00ccaa009e, 0x01751997d0);
    const __m128i by_64 = _mm_set_epi64x(0, 0x0163cd6124);
    const __m128i polynomial = _mm_set_epi64x(0x01f7011641, 0x01db710641);
    const __m128i words = _mm_setr_epi32(~0, 0, ~0, 0);

    const uint8_t *bytes = start;
    __m128i a = _mm_xor_si128(load(bytes), _mm_cvtsi32_si128((int)inverted_sum));
    __m128i b = load(bytes + 16), c = load(bytes + 32), d = load(bytes + 48);
    bytes += 64;
    count -= 64;
    // Four remainders at once: one multiplication need not wait for the one before.
    for (; count >= 64; bytes += 64, count -= 64) {
        a = advance(a, by_512, load(bytes));
        b = advance(b, by_512, load(bytes + 16));
        c = advance(c, by_512, load(bytes + 32));
        d = advance(d, by_512, load(bytes + 48));
    }
    a = advance(a, by_128, b);
    a = advance(a, by_128, c);
    a = advance(a, by_128, d);
    for (; count >= 16; bytes += 16, count -= 16) a = advance(a, by_128, load(bytes));

    // 128 bits become 64, and 64 become 32 (Barrett's reduction).
    a = _mm_xor_si128(_mm_srli_si128(a, 8), _mm_clmulepi64_si128(a, by_128, 0x10));
    a = _mm_xor_si128(_mm_srli_si128(a, 4), _mm_clmulepi64_si128(_mm_and_si128(a, words), by_64, 0x00));
    __m128i quotient = _mm_clmulepi64_si128(_mm_and_si128(a, words), polynomial, 0x10);
    __m128i product = _mm_clmulepi64_si128(_mm_and_si128(quotient, words), polynomial, 0x00);
    return (uint32_t)_mm_extract_epi32(_mm_xor_si128(a, product), 1);
}

#else

int checksum_can_fold(void) { return 0; }

uint32_t checksum_fold(uint32_t inverted_sum, const void *bytes, size_t count) {
    (void)bytes;
    (void)count;
    return inverted_sum;
}

#endif
