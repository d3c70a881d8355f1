//! tapehash 1, 2 and 3, bit for bit those of the Python package `tapehash` 0.1.1.
//!
//! Each derives a program and a tape from the preimage, runs the one on the other and hashes the
//! tape. A byte of the program is an operation (upper half) and a pointer (lower half).

use alloc::vec;
use core::fmt;

use blake2::Blake2b512;
use sha2::Digest as _;
use shake::{ExtendableOutput, Shake256, Shake256Reader, Update, XofReader};

use super::{Hashcash, tape::Tape};
use crate::Digest;

/// The rate of SHAKE256: programs are drawn block by block, so that their length costs no memory.
/// It is even, so no two-byte word of a program is cut.
const BLOCK: usize = 136;
/// Tapes up to 32 times this many bytes live on the stack.
const STACK_TAPE: usize = 8;

/// One of the tapehash functions with its parameters.
///
/// They are here for compatibility. An attempt costs about 10 to 30 microseconds, a check just as
/// much, and whoever skips costly programs of [`TapeHash::V2`] with a large tape solves about four
/// times as fast.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TapeHash {
    /// A program of the given length on a tape of 64 bytes.
    V1(CodeSize),
    /// A program of 32 words on a tape of the given length.
    V2(TapeSize),
    /// A program of the given length, read as two-byte words, on a tape of the given length.
    V3(CodeSize, TapeSize),
}

/// Bytes of a tapehash program, 1 to 65 536.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CodeSize(u32);

/// Length of a tapehash tape in units of 32 bytes, 1 to 65 536.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TapeSize(u32);

/// A parameter of tapehash is out of range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TapeHashError {
    /// The program is empty or too long.
    #[error("a tapehash code size is 1 to 65536 bytes, not {0}")]
    CodeSize(u32),
    /// The tape is empty or too long.
    #[error("a tapehash tape size multiplier is 1 to 65536, not {0}")]
    TapeSize(u32),
}

impl CodeSize {
    /// The package's default for tapehash1.
    pub const DEFAULT_V1: Self = Self(20);
    /// The package's default for tapehash3.
    pub const DEFAULT_V3: Self = Self(64);

    /// Takes 1 to 65 536 bytes.
    pub const fn new(bytes: u32) -> Result<Self, TapeHashError> {
        if matches!(bytes, 1..=65_536) { Ok(Self(bytes)) } else { Err(TapeHashError::CodeSize(bytes)) }
    }

    /// The bytes.
    #[must_use]
    pub const fn bytes(self) -> u32 {
        self.0
    }
}

impl TapeSize {
    /// The package's default.
    pub const DEFAULT: Self = Self(2);

    /// Takes 1 to 65 536 units of 32 bytes.
    pub const fn new(multiplier: u32) -> Result<Self, TapeHashError> {
        if matches!(multiplier, 1..=65_536) {
            Ok(Self(multiplier))
        } else {
            Err(TapeHashError::TapeSize(multiplier))
        }
    }

    /// The units of 32 bytes.
    #[must_use]
    pub const fn multiplier(self) -> u32 {
        self.0
    }
}

impl TapeHash {
    /// tapehash1 with the package's default, a program of 20 bytes.
    pub const DEFAULT_V1: Self = Self::V1(CodeSize::DEFAULT_V1);
    /// tapehash2 with the package's default, a tape of 64 bytes.
    pub const DEFAULT_V2: Self = Self::V2(TapeSize::DEFAULT);
    /// tapehash3 with the package's defaults, a program and a tape of 64 bytes each.
    pub const DEFAULT_V3: Self = Self::V3(CodeSize::DEFAULT_V3, TapeSize::DEFAULT);

    /// The name that the Python package gives the function.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::V1(_) => "tapehash1",
            Self::V2(_) => "tapehash2",
            Self::V3(..) => "tapehash3",
        }
    }
}

impl fmt::Display for TapeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V1(code) => write!(f, "tapehash1({})", code.0),
            Self::V2(tape) => write!(f, "tapehash2({})", tape.0),
            Self::V3(code, tape) => write!(f, "tapehash3({}, {})", code.0, tape.0),
        }
    }
}

impl Hashcash for TapeHash {
    fn digest(&self, preimage: &[u8]) -> Digest {
        match *self {
            Self::V1(code) => tapehash1(preimage, code),
            Self::V2(tape) => {
                let program = Blake2b512::digest(preimage);
                let units = tape.0 as usize;
                with_tape(units, shake256(preimage), |tape| run_words(tape, units, &program))
            }
            Self::V3(code, tape) => {
                let (stream, units) = (shake256(preimage), tape.0 as usize);
                with_tape(units, stream.clone(), |tape| {
                    blocks(stream, code, |block| run_words(tape, units, block));
                })
            }
        }
    }
}

fn tapehash1(preimage: &[u8], code: CodeSize) -> Digest {
    let mut twice = [0; 128];
    twice[..64].copy_from_slice(&Blake2b512::digest(preimage));
    let mut tape = Tape::new(&mut twice);
    blocks(shake256(preimage), code, |block| {
        for byte in block {
            let pointer = usize::from(byte & 15);
            tape.execute(byte >> 4, [pointer, pointer + 16, pointer + 32, pointer + 48]);
        }
    });
    Digest::of(tape.bytes())
}

/// Fills a tape of `units` times 32 bytes from `stream`, lets `run` work on it and hashes it.
fn with_tape(units: usize, mut stream: Shake256Reader, run: impl FnOnce(&mut Tape<'_>)) -> Digest {
    let length = 32 * units;
    let (mut small, mut large);
    let twice = if units <= STACK_TAPE {
        small = [0; 64 * STACK_TAPE];
        &mut small[..2 * length]
    } else {
        large = vec![0; 2 * length];
        large.as_mut_slice()
    };
    stream.read(&mut twice[..length]);
    let mut tape = Tape::new(twice);
    run(&mut tape);
    Digest::of(tape.bytes())
}

/// Runs two-byte words: the first byte is operation and pointer, both together choose the unit. A
/// last byte that is left alone chooses by itself.
fn run_words(tape: &mut Tape<'_>, units: usize, program: &[u8]) {
    for word in program.chunks(2) {
        let number = word.iter().fold(0, |number, byte| (number << 8) | usize::from(*byte));
        let pointer = usize::from(word[0] & 15) + 32 * (number % units);
        tape.execute(word[0] >> 4, [pointer, pointer + 16]);
    }
}

/// Draws a program block by block.
fn blocks(mut stream: Shake256Reader, code: CodeSize, mut run: impl FnMut(&[u8])) {
    let (mut buffer, mut left) = ([0; BLOCK], code.0 as usize);
    while left > 0 {
        let block = &mut buffer[..left.min(BLOCK)];
        stream.read(block);
        run(block);
        left -= block.len();
    }
}

fn shake256(preimage: &[u8]) -> Shake256Reader {
    let mut hasher = Shake256::default();
    hasher.update(preimage);
    hasher.finalize_xof()
}

#[cfg(test)]
pub(super) mod tests {
    use data_encoding::HEXLOWER;
    use serde::Deserialize;

    use super::*;

    pub(in crate::hashcash) const VECTORS: &str =
        include_str!("../../../../tests/vectors/hashcash/tapehash.json");

    #[derive(Deserialize)]
    struct Vectors {
        tapehash1: Vec<Case>,
        tapehash2: Vec<Case>,
        tapehash3: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        preimage: String,
        code_size: Option<u32>,
        tape_size_multiplier: Option<u32>,
        digest: String,
    }

    #[test]
    fn digests_of_the_python_package() {
        let vectors: Vectors = serde_json::from_str(VECTORS).unwrap();
        let cases = [&vectors.tapehash1, &vectors.tapehash2, &vectors.tapehash3];
        assert!(cases.iter().all(|cases| cases.len() > 200));
        for case in cases.into_iter().flatten() {
            let code = case.code_size.map(|size| CodeSize::new(size).unwrap());
            let tape = case.tape_size_multiplier.map(|size| TapeSize::new(size).unwrap());
            let function = match (code, tape) {
                (Some(code), None) => TapeHash::V1(code),
                (None, Some(tape)) => TapeHash::V2(tape),
                (Some(code), Some(tape)) => TapeHash::V3(code, tape),
                (None, None) => panic!("a case without parameters"),
            };
            let preimage = HEXLOWER.decode(case.preimage.as_bytes()).unwrap();
            assert_eq!(
                function.digest(&preimage).to_string(),
                case.digest,
                "{function} of {}",
                case.preimage
            );
        }
    }

    #[test]
    fn digests_of_the_gossip_node() {
        #[derive(Deserialize)]
        struct Bundled {
            bundled_tapehash: Vec<BundledCase>,
            bundled_tapehash_defaults: Vec<BundledDefault>,
        }
        #[derive(Deserialize)]
        struct BundledCase {
            preimage: String,
            code_size: u32,
            tapehash1: String,
            tape_size_multiplier: u32,
            tapehash2: String,
        }
        #[derive(Deserialize)]
        struct BundledDefault {
            preimage: String,
            tapehash1_cs1024: String,
        }
        let text = include_str!("../../../../tests/vectors/hashcash/gossip.json");
        let bundled: Bundled = serde_json::from_str(text).unwrap();
        let digest = |function: TapeHash, preimage: &str| {
            function.digest(&HEXLOWER.decode(preimage.as_bytes()).unwrap()).to_string()
        };
        for case in bundled.bundled_tapehash {
            let (code, tape) = (CodeSize::new(case.code_size), TapeSize::new(case.tape_size_multiplier));
            assert_eq!(digest(TapeHash::V1(code.unwrap()), &case.preimage), case.tapehash1);
            assert_eq!(digest(TapeHash::V2(tape.unwrap()), &case.preimage), case.tapehash2);
        }
        for case in bundled.bundled_tapehash_defaults {
            let code = CodeSize::new(1024).unwrap();
            assert_eq!(digest(TapeHash::V1(code), &case.preimage), case.tapehash1_cs1024);
        }
    }

    #[test]
    fn parameters_have_the_ranges_of_the_python_package() {
        for (size, fits) in [(0, false), (1, true), (65_536, true), (65_537, false)] {
            assert_eq!(CodeSize::new(size).is_ok(), fits);
            assert_eq!(TapeSize::new(size).is_ok(), fits);
        }
    }
}
