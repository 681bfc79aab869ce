//! A run of adjacent rows of one tree in one value of the engine: a pack.
//!
//! Form: CRC-32C (u32) over tree, the pack's key and the rest; how many bytes the rows take, 0 when they stand as
//! they are; then the rows, else as an LZ4 block. A row is the number of bytes that its key shares with the key
//! before it (for the first: with the pack's key), the number of bytes that follow, those bytes, the length of the
//! value, the value. Numbers are of variable length.

use crate::op::Tree;
use crate::wire::{Bad, Put, Take};

/// Size of a pack from which on the next row begins another, in bytes.
pub(crate) const PACK: usize = 4 * 1024;

/// Key and value, wherever they lie.
pub(crate) type RowRef<'a> = (&'a [u8], &'a [u8]);

/// What a row takes beside the bytes of its key and value, about.
const OVERHEAD: usize = 4;

fn put_number(out: &mut Vec<u8>, number: usize) {
    let mut left = number;
    while left >= 0x80 {
        out.push((left as u8) | 0x80);
        left >>= 7;
    }
    out.push(left as u8);
}

fn take_number(take: &mut Take<'_>) -> Result<usize, Bad> {
    let first = take.u8()?;
    let mut number = usize::from(first & 0x7f);
    let mut byte = first;
    let mut shift = 7;
    while byte & 0x80 != 0 {
        if shift > 28 {
            return Err(Bad);
        }
        byte = take.u8()?;
        number |= usize::from(byte & 0x7f) << shift;
        shift += 7;
    }
    Ok(number)
}

fn checksum(tree: Tree, key: &[u8], rest: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c_append(crc32c::crc32c(&[tree as u8]), key), rest)
}

fn shared(one: &[u8], other: &[u8]) -> usize {
    one.iter().zip(other).take_while(|(one, other)| one == other).count()
}

/// Encodes rows under the key of their pack.
pub(crate) fn encode(tree: Tree, key: &[u8], rows: &[RowRef<'_>]) -> Vec<u8> {
    let size: usize = rows.iter().map(size).sum();
    let mut out = Vec::with_capacity(HEAD + size);
    out.raw(&[0; HEAD]);
    let mut before = key;
    for (key, value) in rows {
        let same = shared(before, key);
        let rest = key.get(same..).unwrap_or_default();
        put_number(&mut out, same);
        put_number(&mut out, rest.len());
        out.raw(rest);
        put_number(&mut out, value.len());
        out.raw(value);
        before = key;
    }
    if out.len() >= WORTH {
        let plain = out.get(HEAD..).unwrap_or_default();
        let mut packed = vec![0; HEAD + lz4_flex::block::get_maximum_output_size(plain.len())];
        let room = packed.get_mut(HEAD..).unwrap_or_default();
        // It fails for want of room only, and there is enough.
        let length = lz4_flex::block::compress_into(plain, room).unwrap_or(usize::MAX);
        if length < plain.len() - plain.len() / 8 {
            packed.truncate(HEAD + length);
            packed.shrink_to_fit();
            if let Some(place) = packed.get_mut(4..HEAD) {
                place.copy_from_slice(&(plain.len() as u32).to_le_bytes());
            }
            out = packed;
        }
    }
    let sum = checksum(tree, key, out.get(4..).unwrap_or_default());
    if let Some(head) = out.first_chunk_mut::<4>() {
        *head = sum.to_le_bytes();
    }
    out
}

/// Checksum and size.
const HEAD: usize = 8;
/// Smaller packs stand as they are.
const WORTH: usize = 256;
/// More than the rows of any pack take.
const MOST: usize = 1024 * 1024;

fn size((key, value): &RowRef<'_>) -> usize {
    key.len() + value.len() + OVERHEAD
}

/// Where rows are to be parted so that each pack has about its size: the number of each pack's first row.
///
/// `grows_at_end` says that rows come behind all others, as numbers and times do: then packs are filled, and the
/// last one grows on. Else each gets as much as the others, with room for what comes between.
pub(crate) fn part(rows: &[RowRef<'_>], grows_at_end: bool) -> Vec<usize> {
    let total: usize = rows.iter().map(size).sum();
    let limit = if grows_at_end { PACK } else { total.div_ceil(total.div_ceil(PACK).max(1)) };
    let mut firsts = Vec::with_capacity(total / PACK + 1);
    let mut filled = 0;
    for (number, row) in rows.iter().enumerate() {
        let size = size(row);
        // An even share is reached by going past it; a full pack never is.
        let over = if grows_at_end { filled + size > limit } else { filled + size / 2 > limit };
        if number == 0 || over || filled + size > PACK {
            firsts.push(number);
            filled = 0;
        }
        filled += size;
    }
    firsts
}

/// Reads the rows of a pack one by one.
pub(crate) struct Reader {
    pack: Vec<u8>,
    /// Of the next row.
    at: usize,
    /// Key of the last row.
    key: Vec<u8>,
    /// Value of the last row.
    value: std::ops::Range<usize>,
}

impl Reader {
    /// Checks a pack and stands before its first row.
    pub(crate) fn open(tree: Tree, key: Vec<u8>, pack: Vec<u8>) -> Result<Self, Bad> {
        let (sum, rest) = pack.split_first_chunk::<4>().ok_or(Bad)?;
        if u32::from_le_bytes(*sum) != checksum(tree, &key, rest) {
            return Err(Bad);
        }
        let mut take = Take(rest);
        let (at, pack) = match take.u32()? as usize {
            0 => (HEAD, pack),
            size if size <= MOST => (0, lz4_flex::block::decompress(take.0, size).map_err(|_| Bad)?),
            _ => return Err(Bad),
        };
        Ok(Self { pack, at, key, value: 0..0 })
    }

    /// Goes to the next row; false at the end.
    pub(crate) fn step(&mut self) -> Result<bool, Bad> {
        let rest = self.pack.get(self.at..).ok_or(Bad)?;
        if rest.is_empty() {
            return Ok(false);
        }
        let mut take = Take(rest);
        let same = take_number(&mut take)?;
        let length = take_number(&mut take)?;
        let end = take.raw(length)?;
        if same > self.key.len() {
            return Err(Bad);
        }
        self.key.truncate(same);
        self.key.extend_from_slice(end);
        let length = take_number(&mut take)?;
        let start = self.pack.len() - take.0.len();
        take.raw(length)?;
        self.value = start..start + length;
        self.at = start + length;
        Ok(true)
    }

    /// Key of the row that was gone to.
    pub(crate) fn key(&self) -> &[u8] {
        &self.key
    }

    /// Value of the row that was gone to.
    pub(crate) fn value(&self) -> &[u8] {
        self.pack.get(self.value.clone()).unwrap_or_default()
    }
}

/// All rows of a pack.
#[derive(Default)]
pub(crate) struct Opened {
    pack: Vec<u8>,
    keys: Vec<u8>,
    /// End of each key in `keys`, and its value in `pack`.
    rows: Vec<(usize, std::ops::Range<usize>)>,
}

impl Opened {
    /// Checks a pack and reads its rows, those below `end`.
    pub(crate) fn read(tree: Tree, key: Vec<u8>, pack: Vec<u8>, end: Option<&[u8]>) -> Result<Self, Bad> {
        let mut reader = Reader::open(tree, key, pack)?;
        let (mut keys, mut rows) = (Vec::with_capacity(reader.pack.len() * 2), Vec::new());
        while reader.step()? && end.is_none_or(|end| reader.key() < end) {
            keys.extend_from_slice(&reader.key);
            rows.push((keys.len(), reader.value.clone()));
        }
        Ok(Self { pack: reader.pack, keys, rows })
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// A row by its place.
    pub(crate) fn row(&self, place: usize) -> Option<RowRef<'_>> {
        let (end, value) = self.rows.get(place)?;
        let start = match place.checked_sub(1) {
            Some(before) => self.rows.get(before)?.0,
            None => 0,
        };
        Some((self.keys.get(start..*end)?, self.pack.get(value.clone())?))
    }

    /// Number of rows whose key is below another, or not above it.
    pub(crate) fn below(&self, key: &[u8], or_equal: bool) -> usize {
        let (mut low, mut high) = (0, self.rows.len());
        while low < high {
            let middle = low.midpoint(high);
            let is_below =
                self.row(middle).is_some_and(|(known, _)| if or_equal { known <= key } else { known < key });
            if is_below {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_as_they_were() {
        let long = vec![7_u8; 5000];
        let rows: Vec<RowRef<'_>> =
            vec![(b"ab", b"1"), (b"abc", b""), (b"abd", &long), (b"b", b"2"), (&[0xff; 200], b"3")];
        let pack = encode(Tree::Rows, b"aa", &rows);
        let opened = Opened::read(Tree::Rows, b"aa".to_vec(), pack.clone(), None).unwrap();
        let found: Vec<_> = (0..opened.len()).filter_map(|place| opened.row(place)).collect();
        assert_eq!(found, rows);
        assert_eq!(
            (opened.below(b"abd", false), opened.below(b"abd", true), opened.below(b"a", true)),
            (2, 3, 0)
        );
        let cut = Opened::read(Tree::Rows, b"aa".to_vec(), pack.clone(), Some(b"abd")).unwrap();
        assert_eq!(cut.len(), 2);
        assert!(Opened::read(Tree::Rows, b"ab".to_vec(), pack.clone(), None).is_err(), "of another key");
        assert!(Opened::read(Tree::Lane, b"aa".to_vec(), pack.clone(), None).is_err(), "of another tree");
        for at in 0..pack.len() {
            let mut broken = pack.clone();
            broken[at] ^= 0x10;
            assert!(Opened::read(Tree::Rows, b"aa".to_vec(), broken, None).is_err(), "byte {at}");
            assert!(
                Opened::read(Tree::Rows, b"aa".to_vec(), pack[..at].to_vec(), None).is_err(),
                "cut at {at}"
            );
        }
    }

    #[test]
    fn packs_are_filled_where_rows_come_at_the_end_and_halved_where_they_come_between() {
        let keys: Vec<[u8; 8]> = (0..100_u64).map(u64::to_be_bytes).collect();
        let value = [1_u8; 88];
        let rows: Vec<RowRef<'_>> = keys.iter().map(|key| (&key[..], &value[..])).collect();
        assert_eq!(part(&rows, true), [0, 40, 80]);
        assert_eq!(part(&rows[..41], false).len(), 2);
        let halves = part(&rows[..41], false)[1];
        assert!((19..=22).contains(&halves), "{halves}");
        assert_eq!(part(&rows[..1], false), [0]);
        let large = [1_u8; 8000];
        let rows: Vec<RowRef<'_>> = keys.iter().take(3).map(|key| (&key[..], &large[..])).collect();
        assert_eq!((part(&rows, false), part(&rows, true)), (vec![0, 1, 2], vec![0, 1, 2]));
    }
}
