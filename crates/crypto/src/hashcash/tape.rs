//! The tape machine under tapehash: sixteen operations on a tape of bytes.

use blake2::Blake2s256;
use md5::Md5;
use sha2::{Digest as _, Sha256};
use sha3::{Sha3_256, Sha3_512};
use shake::{ExtendableOutput, Shake128, Update, XofReader};

/// A tape, kept twice over: hashing operations want the tape rotated, and of the doubled tape every
/// rotation is a slice.
pub(super) struct Tape<'a> {
    twice: &'a mut [u8],
    length: usize,
}

impl<'a> Tape<'a> {
    /// The tape that is the first half of `twice`. What the second half holds does not matter.
    pub(super) fn new(twice: &'a mut [u8]) -> Self {
        let length = twice.len() / 2;
        twice.copy_within(..length, length);
        Self { twice, length }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.twice[..self.length]
    }

    /// Runs one operation, 0 to 15, at each of the pointers in turn. Pointers are below the tape's
    /// length.
    pub(super) fn execute<const N: usize>(&mut self, operation: u8, pointers: [usize; N]) {
        match operation {
            0 => {}
            1 => self.map(pointers, |d| d.wrapping_add(1)),
            2 => self.map(pointers, |d| d.wrapping_sub(1)),
            3 | 8 => self.map(pointers, |d| d >> 1),
            4 | 6 => self.map(pointers, |d| d << 1),
            5 => self.map(pointers, |d| !d),
            7 => self.map(pointers, |d| d.wrapping_mul(d)),
            9 => self.map(pointers, |d| d.rotate_left(4)),
            10 => self.hash(pointers, |rotated| select(&Sha256::digest(rotated), rotated[0])),
            11 => self.hash(pointers, |rotated| select(&Md5::digest(rotated), rotated[0])),
            12 => self.hash(pointers, shake128),
            13 => self.hash(pointers, |rotated| select(&Sha3_256::digest(rotated), rotated[0])),
            14 => self.hash(pointers, |rotated| select(&Sha3_512::digest(rotated), rotated[0])),
            _ => self.hash(pointers, |rotated| select(&Blake2s256::digest(rotated), rotated[0])),
        }
    }

    #[inline]
    fn map<const N: usize>(&mut self, pointers: [usize; N], new: impl Fn(u8) -> u8) {
        for pointer in pointers {
            self.write(pointer, new(self.twice[pointer]));
        }
    }

    #[inline]
    fn hash<const N: usize>(&mut self, pointers: [usize; N], new: impl Fn(&[u8]) -> u8) {
        for pointer in pointers {
            self.write(pointer, new(&self.twice[pointer..pointer + self.length]));
        }
    }

    fn write(&mut self, pointer: usize, byte: u8) {
        self.twice[pointer] = byte;
        self.twice[pointer + self.length] = byte;
    }
}

fn select(digest: &[u8], by: u8) -> u8 {
    digest[usize::from(by) % digest.len()]
}

/// Byte d of the output, d the first byte of the input.
fn shake128(rotated: &[u8]) -> u8 {
    let mut hasher = Shake128::default();
    hasher.update(rotated);
    let mut output = [0; 256];
    let last = usize::from(rotated[0]);
    hasher.finalize_xof().read(&mut output[..=last]);
    output[last]
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;
    use serde::Deserialize;

    use super::*;
    use crate::hashcash::tapehash::tests::VECTORS;

    #[derive(Deserialize)]
    struct Vectors {
        execute_opcode: Vec<Case>,
    }

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Case {
        /// The new byte for each old one.
        Table {
            opcode: u8,
            table: String,
        },
        Step {
            opcode: u8,
            pointer: usize,
            tape: String,
            after: String,
        },
    }

    fn hex(text: &str) -> Vec<u8> {
        HEXLOWER.decode(text.as_bytes()).unwrap()
    }

    #[test]
    fn each_operation_does_what_the_python_package_does() {
        let vectors: Vectors = serde_json::from_str(VECTORS).unwrap();
        let mut seen = [0; 16];
        for case in vectors.execute_opcode {
            match case {
                Case::Table { opcode, table } => {
                    seen[usize::from(opcode)] += 1;
                    for (old, new) in (0..=255).zip(hex(&table)) {
                        let mut twice = [old, 0];
                        Tape::new(&mut twice).execute(opcode, [0]);
                        assert_eq!(twice, [new, new], "operation {opcode} on {old}");
                    }
                }
                Case::Step { opcode, pointer, tape, after } => {
                    seen[usize::from(opcode)] += 1;
                    let mut twice = hex(&tape).repeat(2);
                    let mut tape = Tape::new(&mut twice);
                    tape.execute(opcode, [pointer]);
                    assert_eq!(tape.bytes(), hex(&after), "operation {opcode} at {pointer}");
                    assert_eq!(twice, hex(&after).repeat(2));
                }
            }
        }
        assert!(seen.iter().all(|count| *count > 0), "{seen:?}");
    }
}
