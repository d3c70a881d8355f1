//! `jurat hashcash`

use std::{num::NonZeroUsize, ops::ControlFlow, path::PathBuf, thread};

use clap::{Args, Subcommand, ValueEnum};
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use jurat_crypto::{
    CodeSize, Difficulty, Digest, EquihashSolution, Hashcash, LinearDifficulty, NonceSearch, NonceWidth,
    ProofOfWork, Stamp, TapeHash, TapeSize, WorkFunction, ZeroBits, leading_zero_bits,
};
use serde::Serialize;

use super::{Failure, files, output::Output};
use crate::solving::{Unsolved, solve};

/// The most bytes that are hashed.
const MAX_PREIMAGE_BYTES: usize = 64 << 20;
/// What the Python package gives up after.
const MAX_ATTEMPTS: u64 = 10_000_000_000;

/// Make and check proofs of work: tapehash, compatible with the Python package, and Equihash
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Digest(DigestArguments),
    Work(WorkArguments),
    Check(CheckArguments),
}

/// Print the digest of a preimage
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat hashcash digest --preimage 'hello world' --algorithm tapehash3")]
pub(super) struct DigestArguments {
    #[command(flatten)]
    preimage: PreimageArguments,
    #[command(flatten)]
    function: FunctionArguments,
    /// Print the linear difficulty of the digest instead
    #[arg(long, group = "form")]
    difficulty: bool,
    /// Print 1 if the digest has at least this linear difficulty; else 0, with exit code 1
    #[arg(long, value_name = "N", group = "form")]
    check: Option<LinearDifficulty>,
    /// Write the digest's 32 bytes as they are
    #[arg(long, group = "form", conflicts_with = "json")]
    to_raw: bool,
}

/// Find a nonce that, appended to a body, makes the digest good enough
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat hashcash work --preimage 'hello world' --difficulty 1000\n\
    appends 8 bytes, big-endian, and prints the first nonce from --start on that succeeds.\n\
    With --algorithm equihash also the solution, without which it can't be checked.")]
pub(super) struct WorkArguments {
    #[command(flatten)]
    body: PreimageArguments,
    #[command(flatten)]
    function: FunctionArguments,
    #[command(flatten)]
    asked: DifficultyArguments,
    #[command(flatten)]
    width: WidthArguments,
    /// The first nonce to try
    #[arg(long, value_name = "NONCE", default_value_t = 0)]
    start: u64,
    /// Give up after so many attempts
    #[arg(long, value_name = "N", default_value_t = MAX_ATTEMPTS)]
    max_attempts: u64,
    /// How many threads search [default: one for each processor]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
}

/// Check that the digest of a preimage is good enough
#[derive(Debug, Args)]
#[command(
    after_help = "Example: jurat hashcash check --preimage 'hello world' --nonce 755 --difficulty 1000\n\
    exit code 1 if it is not."
)]
pub(super) struct CheckArguments {
    #[command(flatten)]
    preimage: PreimageArguments,
    #[command(flatten)]
    function: FunctionArguments,
    #[command(flatten)]
    asked: DifficultyArguments,
    #[command(flatten)]
    width: WidthArguments,
    /// Append this nonce to the preimage, as 'jurat hashcash work' does
    #[arg(long)]
    nonce: Option<u64>,
    /// equihash: the solution, 17 bytes in hexadecimal
    #[arg(long, value_name = "HEX")]
    solution: Option<String>,
}

/// Without any of these the preimage is read from standard input.
#[derive(Debug, Args)]
struct PreimageArguments {
    /// The preimage, as text
    #[arg(long, value_name = "TEXT", group = "source")]
    preimage: Option<String>,
    /// The preimage, in hexadecimal
    #[arg(long, value_name = "HEX", group = "source", visible_alias = "hex")]
    from_hex: Option<String>,
    /// The file that holds the preimage
    #[arg(long, value_name = "FILE", group = "source")]
    file: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct FunctionArguments {
    /// The function
    #[arg(long, value_enum, default_value_t = Algorithm::Tapehash1)]
    algorithm: Algorithm,
    /// tapehash1 and 3: bytes of the program, 1 to 65536 [default: 20, or 64 with tapehash3]
    #[arg(long, value_name = "BYTES")]
    code_size: Option<u32>,
    /// tapehash2 and 3: length of the tape in units of 32 bytes, 1 to 65536 [default: 2]
    #[arg(long, value_name = "N")]
    tape_size_multiplier: Option<u32>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Algorithm {
    Tapehash1,
    Tapehash2,
    Tapehash3,
    /// Asymmetric: n = 64, k = 3, costly to do and cheap to check
    Equihash,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct DifficultyArguments {
    /// Linear: the attempts that it takes on average, 0 to 2^256
    #[arg(long, value_name = "N", alias = "check")]
    difficulty: Option<LinearDifficulty>,
    /// Leading zero bits, 0 to 256
    #[arg(long, value_name = "BITS")]
    zero_bits: Option<u16>,
}

#[derive(Debug, Args)]
struct WidthArguments {
    /// How many bytes a nonce has: 4 or 8
    #[arg(long, value_name = "BYTES", default_value_t = 8)]
    nonce_bytes: u8,
}

/// A digest, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Shown {
    algorithm: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code_size: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tape_size_multiplier: Option<u32>,
    digest: String,
    leading_zero_bits: u16,
    /// Decimal, since it has up to 257 bits.
    difficulty: String,
    /// Whether it is good enough, where that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    met: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    solution: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts: Option<u64>,
}

pub(super) fn run(command: &Command, output: Output) -> Result<(), Failure> {
    match command {
        Command::Digest(arguments) => digest(arguments, output),
        Command::Work(arguments) => work(arguments, output),
        Command::Check(arguments) => check(arguments, output),
    }
}

fn digest(arguments: &DigestArguments, output: Output) -> Result<(), Failure> {
    let function = arguments.function.function()?;
    let WorkFunction::Tape(tape) = function else {
        return Err(Failure::Usage(
            "equihash has no digest without a solution; see 'jurat hashcash work' and 'check'".into(),
        ));
    };
    let digest = tape.digest(&arguments.preimage.read()?);
    if arguments.to_raw {
        output.print_bytes(digest.as_bytes());
        return Ok(());
    }
    let met = arguments.check.map(|asked| asked.is_met_by(&digest));
    let shown = Shown { met, ..shown(function, &digest) };
    output.result(&shown, || match met {
        Some(met) => u8::from(met).to_string(),
        None if arguments.difficulty => shown.difficulty.clone(),
        None => shown.digest.clone(),
    });
    match arguments.check {
        Some(asked) if met == Some(false) => Err(too_easy(&shown, &Difficulty::Linear(asked))),
        _ => Ok(()),
    }
}

fn work(arguments: &WorkArguments, output: Output) -> Result<(), Failure> {
    let function = arguments.function.function()?;
    let stamp = search(function, arguments, output)?;
    let shown = Shown {
        met: Some(true),
        nonce: Some(stamp.nonce),
        solution: stamp.proof.map(|solution| HEXLOWER.encode(&solution.to_bytes())),
        attempts: Some(stamp.attempt + 1),
        ..shown(function, &stamp.digest)
    };
    output.result(&shown, || {
        let solution = shown.solution.iter().map(|solution| format!("\nsolution {solution}"));
        format!("nonce {}\ndigest {}{}", stamp.nonce, shown.digest, solution.collect::<String>())
    });
    Ok(())
}

fn search(
    function: WorkFunction,
    arguments: &WorkArguments,
    output: Output,
) -> Result<Stamp<Option<EquihashSolution>>, Failure> {
    let mut preimage = arguments.body.read()?;
    let offset = preimage.len();
    arguments.width.append(arguments.start, &mut preimage)?;
    let asked = arguments.asked.difficulty()?;
    let search = NonceSearch::new(function, asked, preimage, offset, arguments.width.width()?)
        .map_err(|error| Failure::Usage(error.to_string()))?
        .starting_at(arguments.start);
    let threads =
        arguments.threads.or_else(|| thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN);
    let bar = output.progress(arguments.max_attempts.min(search.attempts()), "searching");
    let stamp = solve(&search, arguments.max_attempts, threads, |begun| {
        bar.set_position(begun);
        ControlFlow::Continue(())
    });
    bar.finish_and_clear();
    stamp.map_err(|error: Unsolved| Failure::False(error.to_string()))
}

fn check(arguments: &CheckArguments, output: Output) -> Result<(), Failure> {
    let (function, asked) = (arguments.function.function()?, arguments.asked.difficulty()?);
    let mut preimage = arguments.preimage.read()?;
    if let Some(nonce) = arguments.nonce {
        arguments.width.append(nonce, &mut preimage)?;
    }
    let solution = arguments.solution.as_deref().map(read_solution).transpose()?;
    function.suits(solution.as_ref()).map_err(|error| Failure::Usage(format!("--solution: {error}")))?;
    let digest = function
        .check(&preimage, &solution)
        .ok_or_else(|| Failure::False("this is no solution of equihash for this preimage".into()))?;
    let met = asked.is_met_by(&digest);
    let shown = Shown {
        met: Some(met),
        nonce: arguments.nonce,
        solution: arguments.solution.clone(),
        ..shown(function, &digest)
    };
    if met {
        output.result(&shown, || format!("{} meets {asked}", shown.digest));
        return Ok(());
    }
    if output.is_json() {
        output.result(&shown, String::new);
    }
    Err(too_easy(&shown, &asked))
}

fn read_solution(hex: &str) -> Result<EquihashSolution, Failure> {
    let bytes = HEXLOWER_PERMISSIVE
        .decode(hex.as_bytes())
        .map_err(|error| Failure::Usage(format!("--solution is not hexadecimal: {error}")))?;
    EquihashSolution::from_bytes(&bytes).map_err(|error| Failure::Usage(format!("--solution: {error}")))
}

fn shown(function: WorkFunction, digest: &Digest) -> Shown {
    Shown {
        algorithm: function.name(),
        code_size: function.code_size().map(CodeSize::bytes),
        tape_size_multiplier: function.tape_size().map(TapeSize::multiplier),
        digest: digest.to_string(),
        leading_zero_bits: leading_zero_bits(digest).value(),
        difficulty: LinearDifficulty::of(digest).to_string(),
        met: None,
        nonce: None,
        solution: None,
        attempts: None,
    }
}

fn too_easy(shown: &Shown, asked: &Difficulty) -> Failure {
    let Shown { digest, leading_zero_bits, difficulty, .. } = shown;
    Failure::False(format!(
        "{digest} does not meet {asked}: it has {leading_zero_bits} leading zero bits, difficulty {difficulty}"
    ))
}

impl PreimageArguments {
    fn read(&self) -> Result<Vec<u8>, Failure> {
        match (&self.preimage, &self.from_hex, &self.file) {
            (Some(text), ..) => Ok(text.clone().into_bytes()),
            (_, Some(hex), _) => HEXLOWER_PERMISSIVE
                .decode(hex.as_bytes())
                .map_err(|error| Failure::Usage(format!("--from-hex is not hexadecimal: {error}"))),
            (_, _, Some(path)) => files::read_bounded(path, MAX_PREIMAGE_BYTES, "preimage"),
            _ => files::read_standard_input(MAX_PREIMAGE_BYTES, "preimage"),
        }
    }
}

impl FunctionArguments {
    fn function(&self) -> Result<WorkFunction, Failure> {
        let usage = |error: jurat_crypto::TapeHashError| Failure::Usage(error.to_string());
        let code = self.code_size.map(CodeSize::new).transpose().map_err(usage)?;
        let tape = self.tape_size_multiplier.map(TapeSize::new).transpose().map_err(usage)?;
        Ok(WorkFunction::Tape(match (self.algorithm, code, tape) {
            (Algorithm::Equihash, None, None) => return Ok(WorkFunction::Equihash),
            (Algorithm::Equihash, ..) => {
                return Err(Failure::Usage("equihash has neither a code size nor a tape".into()));
            }
            (Algorithm::Tapehash1, None, None) => TapeHash::DEFAULT_V1,
            (Algorithm::Tapehash1, Some(code), None) => TapeHash::V1(code),
            (Algorithm::Tapehash1, _, Some(_)) => {
                return Err(Failure::Usage("tapehash1 has a tape of 64 bytes, without a multiplier".into()));
            }
            (Algorithm::Tapehash2, None, None) => TapeHash::DEFAULT_V2,
            (Algorithm::Tapehash2, None, Some(tape)) => TapeHash::V2(tape),
            (Algorithm::Tapehash2, Some(_), _) => {
                return Err(Failure::Usage(
                    "tapehash2 has a program of 64 bytes, without a code size".into(),
                ));
            }
            (Algorithm::Tapehash3, code, tape) => {
                TapeHash::V3(code.unwrap_or(CodeSize::DEFAULT_V3), tape.unwrap_or(TapeSize::DEFAULT))
            }
        }))
    }
}

impl DifficultyArguments {
    fn difficulty(&self) -> Result<Difficulty, Failure> {
        match (self.difficulty, self.zero_bits) {
            (Some(difficulty), _) => Ok(Difficulty::Linear(difficulty)),
            (None, bits) => ZeroBits::new(bits.unwrap_or(0))
                .map(Difficulty::ZeroBits)
                .map_err(|error| Failure::Usage(error.to_string())),
        }
    }
}

impl WidthArguments {
    fn width(&self) -> Result<NonceWidth, Failure> {
        match self.nonce_bytes {
            4 => Ok(NonceWidth::Four),
            8 => Ok(NonceWidth::Eight),
            other => Err(Failure::Usage(format!("--nonce-bytes is 4 or 8, not {other}"))),
        }
    }

    fn append(&self, nonce: u64, preimage: &mut Vec<u8>) -> Result<(), Failure> {
        let max = self.width()?.max();
        if nonce > max {
            return Err(Failure::Usage(format!(
                "the nonce {nonce} is above {max}, the highest of its width"
            )));
        }
        preimage.extend_from_slice(&nonce.to_be_bytes()[8 - usize::from(self.nonce_bytes)..]);
        Ok(())
    }
}
