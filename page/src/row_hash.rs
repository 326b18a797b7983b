//! A fast 64-bit hash of a row's bytes, stable within a build and never stored.
//!
//! Rows that are equal by bits are equal as bytes, so hashing the BSATN is enough. The seed is
//! fixed: no randomness is drawn here.

const SEED: [u64; 3] = [
    0x9e37_79b9_7f4a_7c15,
    0xd1b5_4a32_d192_ed03,
    0xaef1_7502_108e_f2d9,
];

/// The two halves of the full product, folded together: every input bit reaches every output bit.
#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    // Both halves are taken on purpose; the mask makes the narrowing exact.
    let low = u64::try_from(product & u128::from(u64::MAX)).unwrap_or(0);
    let high = u64::try_from(product >> 64).unwrap_or(0);
    low ^ high
}

#[inline]
fn word(bytes: &[u8]) -> u64 {
    let mut word = [0; 8];
    word[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(word)
}

#[inline]
fn length(bytes: &[u8]) -> u64 {
    // A slice is never longer than 2^63 bytes.
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// Hashes the BSATN of a row, or any bytes.
#[must_use]
#[inline]
pub fn hash_row(row: &[u8]) -> u64 {
    let mut hash = SEED[0];
    let mut chunks = row.chunks_exact(16);
    for chunk in &mut chunks {
        let (a, b) = chunk.split_at(8);
        hash = fold(word(a) ^ SEED[1] ^ hash, word(b) ^ SEED[2]);
    }
    let rest = chunks.remainder();
    let (a, b) = rest.split_at(rest.len().min(8));
    hash = fold(word(a) ^ SEED[1] ^ hash, word(b) ^ SEED[2]);
    // The length goes in apart from the content, or it could cancel out against the first word.
    fold(hash ^ SEED[0], length(row) ^ SEED[1])
}

#[cfg(test)]
mod tests {
    use super::hash_row;
    use std::collections::HashSet;

    #[test]
    fn different_short_rows_hash_differently() {
        let mut seen = HashSet::new();
        for len in 0..40usize {
            for byte in 0..=255u8 {
                for at in 0..len {
                    let mut row = vec![0; len];
                    row[at] = byte;
                    seen.insert((row.clone(), hash_row(&row)));
                }
            }
        }
        let hashes: HashSet<u64> = seen.iter().map(|(_, hash)| *hash).collect();
        let rows: HashSet<&Vec<u8>> = seen.iter().map(|(row, _)| row).collect();
        assert_eq!(hashes.len(), rows.len());
    }

    #[test]
    fn spreads_counters_over_the_top_and_the_bottom_bits() {
        for shift in [0, 56] {
            let mut buckets = [0u32; 256];
            for n in 0..65_536u32 {
                let bucket = (hash_row(&n.to_le_bytes()) >> shift) & 0xff;
                buckets[usize::try_from(bucket).unwrap()] += 1;
            }
            assert!(
                buckets.iter().all(|&n| (150..400).contains(&n)),
                "{buckets:?}"
            );
        }
    }
}
