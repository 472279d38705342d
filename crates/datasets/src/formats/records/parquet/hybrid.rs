//! Numbers of few bits in runs: Parquet's hybrid of run lengths and bit packing, for levels and for dictionary indices.

use std::io::{self, Read};

use super::thrift::varint;

/// Reader of numbers of `width` bits.
pub(super) struct Hybrid<R> {
    inner: R,
    width: u32,
    run: Run,
}

/// What is left of a run.
enum Run {
    /// One number, this often.
    Equal(u32, u64),
    /// Packed groups of eight numbers; the numbers of the present group from the index on.
    Packed { groups: u64, group: [u32; 8], next: usize },
}

impl<R: Read> Hybrid<R> {
    /// Reads numbers of `width` bits, at most 32.
    ///
    /// # Errors
    /// When the width is larger.
    pub(super) fn new(inner: R, width: u32) -> io::Result<Self> {
        if width > 32 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("numbers of {width} bits")));
        }
        Ok(Self { inner, width, run: Run::Equal(0, 0) })
    }

    /// Returns the next number.
    ///
    /// # Errors
    /// When the bytes end.
    pub(super) fn next(&mut self) -> io::Result<u32> {
        loop {
            match &mut self.run {
                Run::Equal(number, left @ 1..) => {
                    *left -= 1;
                    return Ok(*number);
                }
                Run::Packed { group, next: next @ 0..8, .. } => {
                    *next += 1;
                    return Ok(group[*next - 1]);
                }
                Run::Packed { groups: groups @ 1.., group, next } => {
                    *groups -= 1;
                    (*group, *next) = (unpacked(&mut self.inner, self.width)?, 0);
                }
                Run::Equal(..) | Run::Packed { .. } => self.begin()?,
            }
        }
    }

    /// Reads the head of a run.
    fn begin(&mut self) -> io::Result<()> {
        let head = varint(&mut self.inner)?;
        self.run = if head & 1 == 1 {
            Run::Packed { groups: head >> 1, group: [0; 8], next: 8 }
        } else {
            let mut bytes = [0; 4];
            self.inner.read_exact(&mut bytes[..self.width.div_ceil(8) as usize])?;
            Run::Equal(u32::from_le_bytes(bytes), head >> 1)
        };
        Ok(())
    }
}

/// Reads eight numbers. The last group of a run may be cut off; what is missing is 0.
fn unpacked(inner: &mut impl Read, width: u32) -> io::Result<[u32; 8]> {
    let mut bytes = Vec::with_capacity(32);
    inner.by_ref().take(u64::from(width)).read_to_end(&mut bytes)?;
    if bytes.is_empty() && width > 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    bytes.resize(32 + 8, 0);
    let mut group = [0; 8];
    for (place, number) in group.iter_mut().enumerate() {
        let bit = place * width as usize;
        let mut wide = [0; 8];
        wide.copy_from_slice(&bytes[bit / 8..bit / 8 + 8]);
        let mask = (1u64 << width) - 1;
        *number = ((u64::from_le_bytes(wide) >> (bit % 8)) & mask) as u32;
    }
    Ok(group)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_and_packed_groups_are_read() {
        // Three times 5, then 0 to 7 packed to three bits.
        let bytes = [6, 5, 3, 0b1000_1000, 0b1100_0110, 0b1111_1010];
        let mut numbers = Hybrid::new(&bytes[..], 3).expect("narrow");
        let read: Vec<u32> = (0..11).map(|_| numbers.next().expect("reads")).collect();
        assert_eq!(read, [5, 5, 5, 0, 1, 2, 3, 4, 5, 6, 7]);
        assert!(numbers.next().is_err());
        assert!(Hybrid::new(&bytes[..], 33).is_err());
        let mut wide = Hybrid::new(&[2u8, 1, 2, 3, 4][..], 32).expect("narrow");
        assert_eq!(wide.next().expect("reads"), 0x0403_0201);
    }
}
