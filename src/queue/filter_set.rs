//! Which filter values the messages of a stream's chunk have (<https://www.rabbitmq.com/docs/streams#filtering>): written with the chunk, so that one with
//! none of those that a consumer wants is passed over unread.

use xxhash_rust::xxh3::xxh3_64;

/// So many different values are listed by their hashes, which nearly never takes one for another; more become a Bloom filter.
const LISTED_MAX: usize = 16;
/// Bits that a value sets in a Bloom filter.
const BLOOM_BITS: u64 = 4;

const HAS_UNFILTERED: u8 = 1;
const IS_BLOOM: u8 = 2;

/// The values of a chunk's messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilterSet {
    listed: Vec<u64>,
    bloom: Vec<u8>,
    has_unfiltered: bool,
}

impl FilterSet {
    /// Adds a message with this value, or without one. A Bloom filter has so many bytes.
    pub fn add(&mut self, value: Option<&[u8]>, bloom_bytes: u8) {
        let Some(value) = value else {
            self.has_unfiltered = true;
            return;
        };
        let hash = hash_of(value);
        if !self.bloom.is_empty() {
            set_bits(&mut self.bloom, hash);
        } else if !self.listed.contains(&hash) {
            self.listed.push(hash);
            if self.listed.len() > LISTED_MAX {
                self.bloom = vec![0; usize::from(bloom_bytes)];
                self.listed.drain(..).for_each(|hash| set_bits(&mut self.bloom, hash));
            }
        }
    }

    /// As bytes: nothing if no message has a value; else flags, and either hashes or a Bloom filter.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let unfiltered = if self.has_unfiltered { HAS_UNFILTERED } else { 0 };
        if !self.bloom.is_empty() {
            return [&[unfiltered | IS_BLOOM], self.bloom.as_slice()].concat();
        }
        if self.listed.is_empty() {
            return Vec::new();
        }
        let hashes = self.listed.iter().flat_map(|hash| hash.to_be_bytes());
        std::iter::once(unfiltered).chain(hashes).collect()
    }
}

/// The hash by which a value is known. It is stored, so it stays what it is.
#[must_use]
pub fn hash_of(value: &[u8]) -> u64 {
    xxh3_64(value)
}

/// Whether a chunk with these values (see [`FilterSet::encode`]) may have a message with one of those of these hashes, or without any if that
/// is wanted `with_unfiltered`.
#[must_use]
pub fn may_have(set: &[u8], hashes: &[u64], with_unfiltered: bool) -> bool {
    let Some((flags, rest)) = set.split_first() else { return with_unfiltered };
    if with_unfiltered && flags & HAS_UNFILTERED != 0 {
        return true;
    }
    let is_set = |bit: usize| rest.get(bit / 8).is_some_and(|byte| byte & (1 << (bit % 8)) != 0);
    let has = |hash: u64| match flags & IS_BLOOM {
        0 => rest.as_chunks::<8>().0.iter().any(|listed| u64::from_be_bytes(*listed) == hash),
        _ => bits(hash, rest.len()).all(is_set),
    };
    hashes.iter().any(|hash| has(*hash))
}

fn set_bits(bloom: &mut [u8], hash: u64) {
    for bit in bits(hash, bloom.len()) {
        if let Some(byte) = bloom.get_mut(bit / 8) {
            *byte |= 1 << (bit % 8);
        }
    }
}

/// The bits of a value in a Bloom filter of so many bytes.
fn bits(hash: u64, bytes: usize) -> impl Iterator<Item = usize> {
    let (step, count) = (hash >> 32 | 1, (bytes * 8).max(1) as u64);
    (0..BLOOM_BITS).map(move |turn| (hash.wrapping_add(step.wrapping_mul(turn)) % count) as usize)
}
