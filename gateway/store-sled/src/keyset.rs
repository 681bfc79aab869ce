//! A set of digests with the day through which each is kept, at most 40 bytes of memory per key.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

/// Milliseconds to days since 1970.
pub(crate) fn day(millis: u64) -> u32 {
    u32::try_from(millis / 86_400_000).unwrap_or(u32::MAX)
}

/// Keys are digests: fifteen of their bytes (120 bits) tell them apart, the sixteenth holds the day modulo 256.
///
/// In parts by the keys' last byte that counts: one that grows moves a part only, so that no commit waits for all
/// of them to move, nor is there ever memory for twice as many.
pub(crate) struct KeySet {
    parts: Vec<HashTable<[u8; 16]>>,
    hasher: DefaultHashBuilder,
}

const PARTS: usize = 64;

impl Default for KeySet {
    fn default() -> Self {
        Self { parts: vec![HashTable::new(); PARTS], hasher: DefaultHashBuilder::default() }
    }
}

impl KeySet {
    fn hash(hasher: &DefaultHashBuilder, key: &[u8; 16]) -> u64 {
        hasher.hash_one(&key[..15])
    }

    fn part(key: &[u8; 16]) -> usize {
        usize::from(key[14]) % PARTS
    }

    pub(crate) fn len(&self) -> usize {
        self.parts.iter().map(HashTable::len).sum()
    }

    /// The last day of a key, modulo 256.
    pub(crate) fn day_of(&self, key: &[u8; 16]) -> Option<u8> {
        self.parts[Self::part(key)]
            .find(Self::hash(&self.hasher, key), |known| known[..15] == key[..15])
            .map(|known| known[15])
    }

    pub(crate) fn contains(&self, key: &[u8; 16]) -> bool {
        self.day_of(key).is_some()
    }

    pub(crate) fn insert(&mut self, key: &[u8; 16], day: u32) {
        let hash = Self::hash(&self.hasher, key);
        let table = &mut self.parts[Self::part(key)];
        if let Some(known) = table.find_mut(hash, |known| known[..15] == key[..15]) {
            known[15] = day as u8;
            return;
        }
        let mut entry = *key;
        entry[15] = day as u8;
        let hasher = &self.hasher;
        table.insert_unique(hash, entry, |entry| Self::hash(hasher, entry));
    }

    /// Removes keys whose last day is over; the answer is how many.
    pub(crate) fn expire(&mut self, today: u32) -> usize {
        let before = self.len();
        let hasher = &self.hasher;
        for table in &mut self.parts {
            table.retain(|entry| !over(entry[15], today));
            if table.len() < table.capacity() / 4 {
                table.shrink_to(table.len(), |entry| Self::hash(hasher, entry));
            }
        }
        before - self.len()
    }
}

/// Whether a day, known modulo 256, lies before today.
fn over(byte: u8, today: u32) -> bool {
    (byte.wrapping_sub(today as u8) as i8) < 0
}

/// The day that a byte stands for, near a given one.
pub(crate) fn near(byte: u8, today: u32) -> u32 {
    today.wrapping_add_signed(i32::from(byte.wrapping_sub(today as u8) as i8))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u64) -> [u8; 16] {
        let mut key = [0; 16];
        key[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        key[14] = number as u8;
        key
    }

    #[test]
    fn a_key_is_known_through_its_last_day() {
        let mut set = KeySet::default();
        set.insert(&key(1), 20_003);
        set.insert(&key(2), 20_008);
        assert_eq!(near(set.day_of(&key(1)).unwrap(), 20_000), 20_003);
        assert_eq!(set.expire(20_003), 0);
        assert_eq!(set.expire(20_004), 1);
        assert!(!set.contains(&key(1)) && set.contains(&key(2)));
    }

    #[test]
    fn a_key_costs_at_most_forty_bytes() {
        let mut set = KeySet::default();
        for number in 0..120_000 {
            set.insert(&key(number), 20_000);
        }
        // The worst moment is right after a doubling.
        let mut worst = 0.0_f64;
        for number in 120_000..240_000 {
            set.insert(&key(number), 20_000);
            let size: usize = set.parts.iter().map(HashTable::allocation_size).sum();
            worst = worst.max(size as f64 / set.len() as f64);
        }
        assert!(worst <= 40.0, "{worst} bytes per key");
    }
}
