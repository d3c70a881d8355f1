//! Equihash (Biryukov and Khovratovich, NDSS 2016): work that is costly to do and cheap to check.

use alloc::{vec, vec::Vec};

use blake2::{
    Blake2bMac,
    digest::{FixedOutput, InvalidLength, Update, consts::U64},
};

use super::ProofOfWork;
use crate::Digest;

/// Equihash with n = 64 and k = 3: eight leaves whose hashes cancel each other out.
///
/// An attempt makes 2^17 hashes of 64 bits and looks among them for two solutions on average, with
/// about 13 MB of memory. A check makes nine short hashes, however much work was asked for: less than
/// a signature costs. The leaves are those of Zcash, BLAKE2b with the personalisation `ZcashPoW`, n and k.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Equihash;

/// How many leaves a solution names.
const LEAVES: usize = 8;

/// A solution of [`Equihash`]: the numbers of eight leaves, in the order of the paper's tree.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct EquihashSolution([u32; LEAVES]);

/// Bytes are no solution of any puzzle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a solution of Equihash has {expected} bytes, not {actual}", expected = EquihashSolution::BYTES)]
pub struct EquihashLengthError {
    /// How many there are.
    pub actual: usize,
}

/// Before the digest that shows how much work a solution is.
const LABEL: &[u8] = b"jurat/v1/hashcash/equihash";

impl EquihashSolution {
    /// Its length as bytes: eight numbers of 17 bits.
    pub const BYTES: usize = LEAVES * NUMBER_BITS as usize / 8;

    /// The numbers behind each other, big-endian, without gaps.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        let mut bits = self.0.iter().flat_map(|number| (0..NUMBER_BITS).rev().map(move |i| number >> i & 1));
        for byte in &mut bytes {
            *byte = bits.by_ref().take(8).fold(0, |byte, bit| byte << 1 | u8::from(bit == 1));
        }
        bytes
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote. Whether it solves anything shows the check.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EquihashLengthError> {
        let bytes: &[u8; Self::BYTES] =
            bytes.try_into().map_err(|_| EquihashLengthError { actual: bytes.len() })?;
        let mut bits = bytes.iter().flat_map(|byte| (0..8).rev().map(move |i| u32::from(byte >> i & 1)));
        let number = |_| bits.by_ref().take(NUMBER_BITS as usize).fold(0, |number, bit| number << 1 | bit);
        Ok(Self(core::array::from_fn(number)))
    }
}

impl ProofOfWork for Equihash {
    type Proof = EquihashSolution;

    fn attempt(&self, preimage: &[u8], target: &Digest) -> Option<(Digest, EquihashSolution)> {
        let solutions = Puzzle::<Small>::new(preimage).solve();
        let solutions =
            solutions.into_iter().filter_map(|leaves| leaves.try_into().ok().map(EquihashSolution));
        let mut digests = solutions.map(|solution| (digest(preimage, &solution), solution));
        digests.find(|(digest, _)| digest <= target)
    }

    fn check(&self, preimage: &[u8], solution: &EquihashSolution) -> Option<Digest> {
        let holds = Puzzle::<Small>::new(preimage).holds(&solution.0);
        holds.then(|| digest(preimage, solution))
    }
}

/// What a difficulty is asked of: the lower, the more solutions were looked at.
fn digest(preimage: &[u8], solution: &EquihashSolution) -> Digest {
    Digest::of_parts(&[LABEL, &solution.to_bytes(), preimage])
}

/// The two numbers that the paper calls n and k.
trait Shape {
    /// n: how many bits a leaf's hash has, a multiple of 8 and of k + 1, at most 128.
    const BITS: u32;
    /// k: how often pairs are made of pairs.
    const ROUNDS: u32;
    /// BLAKE2b with an output of as many hashes as 64 bytes hold.
    type Hasher: Clone + Update + FixedOutput;

    fn hasher(personalisation: &[u8]) -> Result<Self::Hasher, InvalidLength>;
}

struct Small;

impl Shape for Small {
    const BITS: u32 = 64;
    const ROUNDS: u32 = 3;
    type Hasher = Blake2bMac<U64>;

    fn hasher(personalisation: &[u8]) -> Result<Self::Hasher, InvalidLength> {
        Blake2bMac::new_with_salt_and_personal(None, &[], personalisation)
    }
}

/// How many bits the number of a leaf has.
const NUMBER_BITS: u32 = round_bits::<Small>() + 1;

/// In how many bits each round finds pairs that agree.
const fn round_bits<S: Shape>() -> u32 {
    S::BITS / (S::ROUNDS + 1)
}

/// A preimage whose leaves can be hashed.
struct Puzzle<S: Shape> {
    hasher: S::Hasher,
}

/// Two nodes of the round before whose hashes agree in that round's bits.
struct Pair {
    hash: u128,
    children: [u32; 2],
}

impl<S: Shape> Puzzle<S> {
    const GROUP: u32 = 512 / S::BITS;

    #[expect(clippy::expect_used, reason = "only a key or longer parameters are refused")]
    fn new(preimage: &[u8]) -> Self {
        let mut person = *b"ZcashPoW\0\0\0\0\0\0\0\0";
        person[8..12].copy_from_slice(&S::BITS.to_le_bytes());
        person[12..].copy_from_slice(&S::ROUNDS.to_le_bytes());
        let mut hasher = S::hasher(&person).expect("16 bytes");
        hasher.update(preimage);
        Self { hasher }
    }

    /// The hashes that come out at once, of which a leaf has one.
    fn hashes(&self, group: u32) -> impl Iterator<Item = u128> {
        let mut hasher = self.hasher.clone();
        hasher.update(&group.to_le_bytes());
        let output = hasher.finalize_fixed();
        let fold = |hash: &[u8]| hash.iter().fold(0, |hash: u128, byte| hash << 8 | u128::from(*byte));
        output.chunks_exact(S::BITS as usize / 8).map(fold).collect::<Vec<_>>().into_iter()
    }

    fn leaf(&self, number: u32) -> u128 {
        let (group, place) = (number / Self::GROUP, number % Self::GROUP);
        self.hashes(group).nth(place as usize).unwrap_or_default()
    }

    /// Whether the leaves are a solution, as the verifier of the paper has it: in each subtree the
    /// hashes agree in as many leading bits as it has rounds, the left half begins with a lower number
    /// than the right, and no leaf is named twice.
    fn holds(&self, leaves: &[u32]) -> bool {
        let named_twice = |i: usize| leaves[..i].contains(&leaves[i]);
        let is_leaf = |number: &u32| number >> round_bits::<S>() <= 1;
        if leaves.len() != 1 << S::ROUNDS || !leaves.iter().all(is_leaf) || (0..leaves.len()).any(named_twice)
        {
            return false;
        }
        // Order is looked at before anything is hashed.
        let ordered = |half: usize| leaves.chunks_exact(2 * half).all(|tree| tree[0] < tree[half]);
        if !(0..S::ROUNDS).all(|round| ordered(1 << round)) {
            return false;
        }
        let mut hashes: Vec<u128> = leaves.iter().map(|number| self.leaf(*number)).collect();
        for round in 1..=S::ROUNDS {
            hashes = hashes.chunks_exact(2).map(|pair| pair[0] ^ pair[1]).collect();
            let agreed = if round == S::ROUNDS { S::BITS } else { round * round_bits::<S>() };
            if hashes.iter().any(|hash| hash >> (S::BITS - agreed) != 0) {
                return false;
            }
        }
        true
    }

    /// All solutions, by Wagner's algorithm: pairs of pairs that agree in the next bits, until all
    /// agree.
    fn solve(&self) -> Vec<Vec<u32>> {
        let leaves = 2_u32 << round_bits::<S>();
        let mut hashes: Vec<u128> =
            (0..leaves.div_ceil(Self::GROUP)).flat_map(|group| self.hashes(group)).collect();
        hashes.truncate(leaves as usize);
        let mut rounds: Vec<Vec<Pair>> = Vec::new();
        for round in 1..=S::ROUNDS {
            let is_last = round == S::ROUNDS;
            let mut pairs = Vec::new();
            for bucket in Buckets::of(&hashes, S::BITS - round * round_bits::<S>(), round_bits::<S>()).iter()
            {
                for (i, left) in bucket.iter().enumerate() {
                    for right in &bucket[i + 1..] {
                        let hash = hashes[*left as usize] ^ hashes[*right as usize];
                        // Two that cancel each other out too early are made of the same leaves.
                        if (hash == 0) == is_last {
                            pairs.push(Pair { hash, children: [*left, *right] });
                        }
                    }
                }
            }
            hashes = pairs.iter().map(|pair| pair.hash).collect();
            rounds.push(pairs);
        }
        let last = rounds.last().map_or(0, Vec::len);
        let trees = (0..last).map(|i| leaves_of(&rounds, u32::try_from(i).unwrap_or(u32::MAX)));
        trees.filter(|leaves| self.holds(leaves)).collect()
    }
}

/// The leaves under a pair of the last of these rounds, in the order that a solution has.
fn leaves_of(rounds: &[Vec<Pair>], node: u32) -> Vec<u32> {
    let Some((last, before)) = rounds.split_last() else { return vec![node] };
    let [mut left, mut right] = last[node as usize].children.map(|child| leaves_of(before, child));
    if left[0] > right[0] {
        (left, right) = (right, left);
    }
    left.append(&mut right);
    left
}

/// The numbers of hashes, those together that agree in some bits.
struct Buckets {
    /// Where each bucket begins, and at last where the last ends.
    starts: Vec<u32>,
    numbers: Vec<u32>,
}

impl Buckets {
    fn of(hashes: &[u128], shift: u32, bits: u32) -> Self {
        let mask = (1_usize << bits) - 1;
        let bucket = |hash: &u128| (hash >> shift) as usize & mask;
        let mut starts = vec![0; mask + 2];
        for hash in hashes {
            starts[bucket(hash) + 1] += 1;
        }
        for i in 1..starts.len() {
            starts[i] += starts[i - 1];
        }
        let mut next = starts.clone();
        let mut numbers = vec![0; hashes.len()];
        for (number, hash) in (0..).zip(hashes) {
            let place = &mut next[bucket(hash)];
            numbers[*place as usize] = number;
            *place += 1;
        }
        Self { starts, numbers }
    }

    fn iter(&self) -> impl Iterator<Item = &[u32]> {
        self.starts.windows(2).map(|ends| &self.numbers[ends[0] as usize..ends[1] as usize])
    }
}

#[cfg(test)]
mod tests {
    use blake2::digest::consts::U60;

    use super::*;
    use crate::{Difficulty, NonceSearch, NonceWidth, ZeroBits};

    /// The shape whose solutions Zcash's own tests have.
    struct Zcash96;

    impl Shape for Zcash96 {
        const BITS: u32 = 96;
        const ROUNDS: u32 = 5;
        type Hasher = Blake2bMac<U60>;

        fn hasher(personalisation: &[u8]) -> Result<Self::Hasher, InvalidLength> {
            Blake2bMac::new_with_salt_and_personal(None, &[], personalisation)
        }
    }

    #[test]
    fn the_solutions_are_those_of_zcash() {
        let header = b"Equihash is an asymmetric PoW based on the Generalised Birthday problem.";
        let mut nonce = [0; 32];
        nonce[0] = 11;
        let puzzle = Puzzle::<Zcash96>::new(&[header.as_slice(), &nonce].concat());
        // test_vectors/valid.rs of the crate equihash.
        let known = [
            1120, 77433, 58243, 76860, 11411, 96068, 13150, 35878, 15049, 88928, 20101, 104_706, 29215,
            73328, 39498, 83529, 9233, 124_174, 66731, 97423, 10823, 92444, 25647, 127_742, 12207, 46292,
            22018, 120_758, 14411, 46485, 21828, 57591,
        ];
        assert_eq!(puzzle.solve(), [known]);
        let puzzle = Puzzle::<Zcash96>::new(&[b"block header".as_slice(), &[0; 32]].concat());
        let first: Vec<u32> = puzzle.solve().iter().map(|solution| solution[0]).collect();
        let mut sorted = first;
        sorted.sort_unstable();
        assert_eq!(sorted, [976, 1008, 1278, 3976, 5970]);
    }

    #[test]
    fn nothing_but_a_solution_holds() {
        let (preimage, target) = (b"preimage".as_slice(), Digest::from_bytes([0xff; 32]));
        let preimages = (0..20_u8).map(|i| [preimage, &[i]].concat());
        let mut found = 0;
        for preimage in preimages {
            let Some((digest, solution)) = Equihash.attempt(&preimage, &target) else { continue };
            found += 1;
            assert_eq!(Equihash.check(&preimage, &solution), Some(digest));
            assert_eq!(Equihash.check(b"other", &solution), None);
            let swapped = |a, b| {
                let mut leaves = solution.0;
                leaves.swap(a, b);
                EquihashSolution(leaves)
            };
            // The same leaves in another order would be the same work once more.
            for wrong in [swapped(0, 1), swapped(2, 3), swapped(0, 4), swapped(1, 2)] {
                assert_eq!(Equihash.check(&preimage, &wrong), None);
            }
            for i in 0..LEAVES {
                let mut leaves = solution.0;
                leaves[i] ^= 1;
                assert_eq!(Equihash.check(&preimage, &EquihashSolution(leaves)), None);
                leaves[i] = solution.0[(i + 1) % LEAVES];
                assert_eq!(Equihash.check(&preimage, &EquihashSolution(leaves)), None);
            }
            let left = <[u32; 4]>::try_from(&solution.0[..4]).unwrap();
            let twice = core::array::from_fn(|i| left[i % 4]);
            assert_eq!(Equihash.check(&preimage, &EquihashSolution(twice)), None, "cancels itself out");
            assert_eq!(EquihashSolution::from_bytes(&solution.to_bytes()), Ok(solution));
        }
        assert!(found >= 10, "two solutions are expected of each: {found}");
    }

    #[test]
    fn a_solution_has_one_form_as_bytes() {
        for bytes in [[0; 17], [0xff; 17], core::array::from_fn(|i| u8::try_from(i * 15).unwrap())] {
            assert_eq!(EquihashSolution::from_bytes(&bytes).unwrap().to_bytes(), bytes);
        }
        for length in [0, 16, 18] {
            assert_eq!(
                EquihashSolution::from_bytes(&vec![0; length]),
                Err(EquihashLengthError { actual: length })
            );
        }
    }

    #[test]
    fn more_work_takes_a_search() {
        let difficulty = Difficulty::ZeroBits(ZeroBits::new(3).unwrap());
        let preimage = b"....hello".to_vec();
        let mut search =
            NonceSearch::new(Equihash, difficulty, preimage.clone(), 0, NonceWidth::Four).unwrap();
        let stamp = search.try_attempts(0..1000).unwrap();
        let mut stamped = preimage;
        stamped[..4].copy_from_slice(&u32::try_from(stamp.nonce).unwrap().to_be_bytes());
        let digest = Equihash.check(&stamped, &stamp.proof);
        assert_eq!(digest, Some(stamp.digest));
        assert!(difficulty.is_met_by(&stamp.digest));
    }
}
