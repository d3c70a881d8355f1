//! The search for a nonce, in pieces, so that its caller can spread it over threads, show how far it
//! is, and stop it.

use alloc::vec::Vec;
use core::ops::Range;

use super::{Difficulty, ProofOfWork};
use crate::Digest;

/// How many bytes a nonce has, big-endian.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NonceWidth {
    /// 32 bits.
    Four,
    /// 64 bits.
    Eight,
}

impl NonceWidth {
    const fn bytes(self) -> usize {
        match self {
            Self::Four => 4,
            Self::Eight => 8,
        }
    }

    /// The highest nonce.
    #[must_use]
    pub const fn max(self) -> u64 {
        match self {
            Self::Four => u32::MAX as u64,
            Self::Eight => u64::MAX,
        }
    }

    /// How many attempts there are. Of 2^64 the last is left out; nobody gets that far.
    #[must_use]
    pub const fn attempts(self) -> u64 {
        self.max().saturating_add(1)
    }
}

/// A nonce with the digest that makes it a stamp.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp<P = ()> {
    /// The nonce.
    pub nonce: u64,
    /// The digest of the preimage with this nonce.
    pub digest: Digest,
    /// How many attempts came before it, counted from the first nonce.
    pub attempt: u64,
    /// What else shows the work.
    pub proof: P,
}

/// A preimage with a place for a nonce, and a way to try many.
///
/// Attempt i tries the nonce first + i, modulo 2^32 or 2^64. To use several threads, clone the
/// search and give each clone other attempts; the lowest attempt that succeeds is the one that a
/// single thread finds.
///
/// ```
/// use jurat_crypto::{Difficulty, Hashcash, NonceSearch, NonceWidth, TapeHash, ZeroBits};
///
/// let difficulty = Difficulty::ZeroBits(ZeroBits::new(4)?);
/// let preimage = b"hello????".to_vec();
/// let mut search = NonceSearch::new(TapeHash::DEFAULT_V1, difficulty, preimage, 5, NonceWidth::Four)?;
///
/// let stamp = search.try_attempts(0..1_000_000).ok_or("no nonce found")?;
/// let stamped = [b"hello".as_slice(), &u32::try_from(stamp.nonce)?.to_be_bytes()].concat();
/// assert!(difficulty.is_met_by(&TapeHash::DEFAULT_V1.digest(&stamped)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct NonceSearch<H> {
    hashcash: H,
    target: Digest,
    preimage: Vec<u8>,
    place: Range<usize>,
    width: NonceWidth,
    first: u64,
}

/// A nonce does not lie within the preimage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a nonce of {width} bytes at offset {offset} is not within a preimage of {length} bytes")]
pub struct NoncePlaceError {
    /// Where the nonce would begin.
    pub offset: usize,
    /// How long it would be.
    pub width: usize,
    /// How long the preimage is.
    pub length: usize,
}

impl<H: ProofOfWork> NonceSearch<H> {
    /// Searches for a nonce of `preimage` that lies at `offset`, from 0 on.
    ///
    /// What the preimage holds there does not matter.
    pub fn new(
        hashcash: H,
        difficulty: Difficulty,
        preimage: Vec<u8>,
        offset: usize,
        width: NonceWidth,
    ) -> Result<Self, NoncePlaceError> {
        let refused = NoncePlaceError { offset, width: width.bytes(), length: preimage.len() };
        let end = offset.checked_add(width.bytes()).ok_or(refused)?;
        if end > preimage.len() {
            return Err(refused);
        }
        Ok(Self { hashcash, target: difficulty.target(), preimage, place: offset..end, width, first: 0 })
    }

    /// Begins at another nonce, taken modulo 2^32 or 2^64. A random one keeps two searches of the
    /// same preimage from doing the same work.
    #[must_use]
    pub fn starting_at(self, first: u64) -> Self {
        Self { first, ..self }
    }

    /// How many attempts there are in all; after them every nonce was tried.
    #[must_use]
    pub const fn attempts(&self) -> u64 {
        self.width.attempts()
    }

    /// Makes these attempts, those that exist, and returns the first that succeeds.
    pub fn try_attempts(&mut self, attempts: Range<u64>) -> Option<Stamp<H::Proof>> {
        let end = attempts.end.min(self.attempts());
        (attempts.start..end).find_map(|attempt| {
            let nonce = self.first.wrapping_add(attempt) & self.width.max();
            let bytes = &nonce.to_be_bytes()[8 - self.width.bytes()..];
            self.preimage[self.place.clone()].copy_from_slice(bytes);
            let (digest, proof) = self.hashcash.attempt(&self.preimage, &self.target)?;
            Some(Stamp { nonce, digest, attempt, proof })
        })
    }
}

#[cfg(test)]
mod tests {
    use core::cell::RefCell;

    use data_encoding::HEXLOWER;
    use serde::Deserialize;

    use super::*;
    use crate::hashcash::{Hashcash, LinearDifficulty, TapeHash, ZeroBits, tapehash::tests::VECTORS};

    #[derive(Deserialize)]
    struct Vectors {
        work: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        algo: String,
        body: String,
        start_nonce: u64,
        difficulty: Option<u64>,
        difficulty_dec: Option<String>,
        max_attempts: Option<u64>,
        nonce: u64,
        digest: Option<String>,
        achieved_dec: Option<String>,
    }

    #[test]
    fn nonces_of_the_python_package() {
        let vectors: Vectors = serde_json::from_str(VECTORS).unwrap();
        assert!(vectors.work.len() > 100);
        for case in vectors.work {
            let all = [TapeHash::DEFAULT_V1, TapeHash::DEFAULT_V2, TapeHash::DEFAULT_V3];
            let function = all.into_iter().find(|function| function.name() == case.algo).unwrap();
            let difficulty = match (case.difficulty, case.difficulty_dec) {
                (Some(difficulty), _) => difficulty.into(),
                (None, text) => text.unwrap().parse().unwrap(),
            };
            let mut preimage = HEXLOWER.decode(case.body.as_bytes()).unwrap();
            let offset = preimage.len();
            preimage.extend([0xaa; 8]);
            let mut search = NonceSearch::new(
                function,
                Difficulty::Linear(difficulty),
                preimage,
                offset,
                NonceWidth::Eight,
            )
            .unwrap()
            .starting_at(case.start_nonce);
            // In two pieces, the second of which goes on where the first ended.
            let found = search
                .try_attempts(0..3)
                .or_else(|| search.try_attempts(3..case.max_attempts.unwrap_or(100_000)));
            match case.digest {
                Some(digest) => {
                    let stamp = found.unwrap();
                    assert_eq!((stamp.nonce, stamp.digest.to_string()), (case.nonce, digest));
                    assert_eq!(stamp.attempt, case.nonce - case.start_nonce);
                    assert_eq!(Some(LinearDifficulty::of(&stamp.digest).to_string()), case.achieved_dec);
                }
                None => assert_eq!(found, None),
            }
        }
    }

    /// Notes what it was asked to hash, and is satisfied with nothing.
    struct Recorder(RefCell<Vec<Vec<u8>>>);

    impl Hashcash for Recorder {
        fn digest(&self, preimage: &[u8]) -> Digest {
            self.0.borrow_mut().push(preimage.to_vec());
            Digest::from_bytes([0xff; 32])
        }
    }

    #[test]
    fn a_stamp_has_a_nonce_of_its_width_and_a_digest_that_may_be_the_target_itself() {
        let any = Difficulty::ZeroBits(ZeroBits::new(0).unwrap());
        let search =
            NonceSearch::new(TapeHash::DEFAULT_V1, any, b"....".to_vec(), 0, NonceWidth::Four).unwrap();
        let stamp = search.starting_at(u32::MAX.into()).try_attempts(1..2).unwrap();
        assert_eq!((stamp.nonce, stamp.attempt), (0, 1));
        let digest = TapeHash::DEFAULT_V1.digest(b"x");
        let attempt = |target| TapeHash::DEFAULT_V1.attempt(b"x", &target).map(|(digest, ())| digest);
        assert_eq!(attempt(digest), Some(digest));
        let mut lower = *digest.as_bytes();
        lower[0] -= 1;
        assert_eq!(attempt(Digest::from_bytes(lower)), None);
    }

    #[test]
    fn a_nonce_passes_2_to_the_31_and_begins_anew_after_2_to_the_32() {
        let recorder = Recorder(RefCell::default());
        let one_bit = Difficulty::ZeroBits(ZeroBits::new(1).unwrap());
        let search = NonceSearch::new(&recorder, one_bit, b"a....b".to_vec(), 1, NonceWidth::Four).unwrap();
        assert_eq!(search.clone().starting_at(0x7fff_ffff).try_attempts(0..2), None);
        assert_eq!(search.clone().starting_at(0xffff_ffff).try_attempts(0..2), None);
        // The last attempt there is; those beyond would try nonces again.
        assert_eq!(search.clone().starting_at(5).try_attempts((1 << 32) - 1..u64::MAX), None);
        assert_eq!(search.clone().try_attempts(1 << 32..u64::MAX), None);
        let tried = recorder.0.into_inner();
        let expected: [&[u8]; 5] =
            [b"a\x7f\xff\xff\xffb", b"a\x80\0\0\0b", b"a\xff\xff\xff\xffb", b"a\0\0\0\0b", b"a\0\0\0\x04b"];
        assert_eq!(tried, expected);
    }

    #[test]
    fn a_nonce_lies_within_its_preimage() {
        let any = Difficulty::ZeroBits(ZeroBits::new(0).unwrap());
        for (offset, length, fits) in [(0, 4, true), (1, 4, false), (usize::MAX, 4, false), (0, 0, false)] {
            let search =
                NonceSearch::new(TapeHash::DEFAULT_V1, any, alloc::vec![0; length], offset, NonceWidth::Four);
            assert_eq!(search.is_ok(), fits, "{offset} {length}");
        }
    }
}
