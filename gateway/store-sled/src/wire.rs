//! Bytes of the store's own formats: fixed-width, little-endian; texts and blobs with their length in front.

/// The bytes do not hold what was expected there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bad;

pub(crate) trait Put {
    fn u8(&mut self, value: u8);
    fn u16(&mut self, value: u16);
    fn u32(&mut self, value: u32);
    fn u64(&mut self, value: u64);
    fn raw(&mut self, bytes: &[u8]);
    fn blob(&mut self, bytes: &[u8]);
    fn name(&mut self, text: &str);
}

impl Put for Vec<u8> {
    fn u8(&mut self, value: u8) {
        self.push(value);
    }
    fn u16(&mut self, value: u16) {
        self.extend_from_slice(&value.to_le_bytes());
    }
    fn u32(&mut self, value: u32) {
        self.extend_from_slice(&value.to_le_bytes());
    }
    fn u64(&mut self, value: u64) {
        self.extend_from_slice(&value.to_le_bytes());
    }
    fn raw(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
    fn blob(&mut self, bytes: &[u8]) {
        self.u32(bytes.len() as u32);
        self.extend_from_slice(bytes);
    }
    fn name(&mut self, text: &str) {
        let length = text.len().min(255);
        self.push(length as u8);
        self.extend_from_slice(&text.as_bytes()[..length]);
    }
}

/// Reads what [`Put`] wrote, front to back.
#[derive(Clone, Copy)]
pub(crate) struct Take<'a>(pub(crate) &'a [u8]);

impl<'a> Take<'a> {
    pub(crate) fn raw(&mut self, length: usize) -> Result<&'a [u8], Bad> {
        let (head, tail) = self.0.split_at_checked(length).ok_or(Bad)?;
        self.0 = tail;
        Ok(head)
    }
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Bad> {
        let (head, tail) = self.0.split_first_chunk::<N>().ok_or(Bad)?;
        self.0 = tail;
        Ok(*head)
    }
    pub(crate) fn u8(&mut self) -> Result<u8, Bad> {
        Ok(self.array::<1>()?[0])
    }
    pub(crate) fn u16(&mut self) -> Result<u16, Bad> {
        Ok(u16::from_le_bytes(self.array()?))
    }
    pub(crate) fn u32(&mut self) -> Result<u32, Bad> {
        Ok(u32::from_le_bytes(self.array()?))
    }
    pub(crate) fn u64(&mut self) -> Result<u64, Bad> {
        Ok(u64::from_le_bytes(self.array()?))
    }
    pub(crate) fn blob(&mut self) -> Result<&'a [u8], Bad> {
        let length = self.u32()?;
        self.raw(length as usize)
    }
    pub(crate) fn name(&mut self) -> Result<&'a str, Bad> {
        let length = self.u8()?;
        std::str::from_utf8(self.raw(usize::from(length))?).map_err(|_| Bad)
    }
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
