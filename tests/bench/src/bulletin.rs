//! Hashcash beside the Python package, sealing beside the crates under it, and what refusals cost.
//!
//! Times are the best of several rounds, taken in turns with the peer's, so that both see the same
//! machine.

use std::{
    collections::BTreeMap,
    fs::File,
    hint::black_box,
    io::Write,
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::Instant,
};

use ed25519_dalek::{Signer, Verifier};
use hpke::{Kem, OpModeR, OpModeS, aead::ChaCha20Poly1305, kdf::HkdfSha256, kem::X25519HkdfSha256};
use jurat::core::{BulletinExchange, BulletinMessage};
use jurat_bulletin::{
    Board, BoardLimits, Bulletin, BulletinKey, Effort, Inbox, Message, Origin, Posting, Rules, Topic,
    UnixSeconds, WorkRules,
};
use jurat_crypto::{
    CodeSize, Digest, Equihash, Hashcash, Letter, LetterId, NetworkId, ProofOfWork, SealContext, SealingKey,
    SigningKey, TapeHash, TapeSize, WorkFunction, open, seal,
};
use jurat_gossip::SpreadMessage;
use jurat_pbft::{BatchTime, Now, ReplicaId};
use jurat_store::{BulletinChanges, BulletinStore, DataDir, StdFs};
use rand::{SeedableRng, rngs::StdRng};

use crate::{council, limits, report::Report};

const ROUNDS: u32 = 5;
const NOW: UnixSeconds = UnixSeconds(1_700_000_000);

pub fn run(report: &mut Report) -> Result<(), String> {
    tapehash(report)?;
    equihash(report);
    stamps(report);
    sealing(report);
    refusals(report);
    accepting(report);
    from_peer(report)?;
    threads(report)
}

/// Seconds that `work` takes, the best of a few rounds, for one of `count`.
fn best(count: u32, mut work: impl FnMut(u32)) -> f64 {
    (0..ROUNDS).map(|_| once(count, &mut work)).fold(f64::INFINITY, f64::min)
}

fn once(count: u32, work: &mut impl FnMut(u32)) -> f64 {
    let start = Instant::now();
    (0..count).for_each(work);
    start.elapsed().as_secs_f64() / f64::from(count)
}

fn tapehash(report: &mut Report) -> Result<(), String> {
    let code = |size| CodeSize::new(size).map_err(|error| error.to_string());
    let tape = |size| TapeSize::new(size).map_err(|error| error.to_string());
    let cases = [
        (TapeHash::V1(code(20)?), "tapehash1(x, 20)", 300),
        (TapeHash::V1(code(64)?), "tapehash1(x, 64)", 100),
        (TapeHash::V2(tape(2)?), "tapehash2(x, 2)", 300),
        (TapeHash::V3(code(64)?, tape(2)?), "tapehash3(x, 64, 2)", 300),
        (TapeHash::V2(tape(32_768)?), "tapehash2(x, 32768)", 2),
    ];
    let dir = tempfile::tempdir().map_err(|error| error.to_string())?;
    let python = install(dir.path());
    for (function, call, count) in cases {
        let (mut ours, mut theirs) = (f64::INFINITY, f64::INFINITY);
        for round in 0..ROUNDS {
            ours = ours.min(once(count, &mut |i| {
                black_box(function.digest(&preimage(round, i)));
            }));
            if python {
                theirs = theirs.min(python_seconds(dir.path(), call, count)?);
            }
        }
        if python {
            let base = report.figure(format!("{call}, Python package"), 1.0 / theirs, "/s");
            report.ratio(format!("{function}"), 1.0 / ours, "/s", "the Python package", base);
        } else {
            report.figure(format!("{function}"), 1.0 / ours, "/s");
        }
    }
    Ok(())
}

fn preimage(round: u32, i: u32) -> [u8; 72] {
    let mut preimage = [0; 72];
    preimage[..4].copy_from_slice(&round.to_be_bytes());
    preimage[68..].copy_from_slice(&i.to_be_bytes());
    preimage
}

/// Puts the Python package into `dir`, if there is Python and a package index.
fn install(dir: &Path) -> bool {
    let pip = Command::new("python3")
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--target"])
        .arg(dir)
        .arg("tapehash==0.1.1")
        .stderr(Stdio::null())
        .status();
    let installed = pip.is_ok_and(|status| status.success());
    if !installed {
        eprintln!("the Python package tapehash can't be installed: no peer");
    }
    installed
}

fn python_seconds(dir: &Path, call: &str, count: u32) -> Result<f64, String> {
    let program = format!(
        "import time\nfrom tapehash import *\nxs = [bytes(68) + i.to_bytes(4, 'big') for i in range({count})]\n\
         start = time.perf_counter()\nfor x in xs: {call}\nprint((time.perf_counter() - start) / {count})"
    );
    let output = Command::new("python3").env("PYTHONPATH", dir).arg("-c").arg(program).output();
    let output = output.map_err(|error| error.to_string())?;
    String::from_utf8_lossy(&output.stdout).trim().parse().map_err(|_| "Python printed no time".into())
}

/// What a check spares beside an attempt, and beside the signature that a check may cost at most.
fn equihash(report: &mut Report) {
    let all = Digest::from_bytes([0xff; 32]);
    let preimages: Vec<_> = (0..20).map(|i| preimage(0, i)).collect();
    let solved: Vec<_> = preimages
        .iter()
        .filter_map(|preimage| Some((preimage, Equihash.attempt(preimage, &all)?.1)))
        .collect();
    let mut of_attempts = preimages.iter().cycle();
    let attempt = best(10, |_| {
        black_box(of_attempts.next().map(|preimage| Equihash.attempt(preimage, &all)));
    });
    let mut of_checks = solved.iter().cycle();
    let check = best(1000, |_| {
        let (preimage, solution) = of_checks.next().expect("some have a solution");
        assert!(Equihash.check(*preimage, solution).is_some());
    });
    let key = SigningKey::from_seed(&[1; 32]);
    let (signature, verifying) = (key.sign(b"message"), key.verifying_key());
    let signature = best(1000, |_| assert!(verifying.verify(b"message", &signature).is_ok()));
    let base = report.figure("equihash: attempts", 1.0 / attempt, "/s");
    report.ratio("equihash: checks", 1.0 / check, "/s", "attempts", base);
    let base = report.figure("signatures checked one by one", 1.0 / signature, "/s");
    report.ratio("equihash: checks", 1.0 / check, "/s", "signatures", base);
}

/// What a bulletin's stamp costs who makes and who checks it, by each function at the default effort.
fn stamps(report: &mut Report) {
    let topic = Topic::beacon();
    for function in [WorkRules::default().function, WorkFunction::Equihash] {
        let rules = Rules { work: WorkRules { function, ..rules().work }, ..rules() };
        let posting = |i: u32| {
            let bulletin = Bulletin::new(topic.id(), NOW, 0, i.to_be_bytes().to_vec()).expect("a bulletin");
            stamped(&rules, Posting::new(rules.work.bulletins, bulletin))
        };
        // An average: how many attempts it takes is chance.
        let start = Instant::now();
        let postings: Vec<Posting> = (0..20).map(posting).collect();
        let made = start.elapsed().as_secs_f64() / 20.0;
        let checked = best(20, |i| assert!(postings[i as usize].is_stamped(&rules)));
        report.figure(format!("stamp of {function}, 7 zero bits: made by one thread"), made * 1e3, "ms");
        report.figure(format!("stamp of {function}: checked"), checked * 1e6, "µs");
    }
}

fn sealing(report: &mut Report) {
    let (author, key) = (SigningKey::from_seed(&[1; 32]), SealingKey::from_bytes(&[2; 32]));
    let context =
        SealContext { network: NetworkId(Digest::of(b"bench")), topic: Digest::of(b"topic"), epoch: 0 };
    let content = vec![7; 1024];
    let letter = Letter { id: LetterId([0; 16]), created: 0, expires: 1, content: content.clone().into() };
    let mut entropy = StdRng::from_seed([3; 32]);
    let recipients = [key.public()];
    let sealed = seal(&letter, &author, &recipients, &context, &mut entropy).expect("a letter");

    let dalek = ed25519_dalek::SigningKey::from_bytes(&[1; 32]);
    let signature = dalek.sign(&content);
    let (secret, public) = X25519HkdfSha256::gen_keypair_with_rng(&mut entropy);
    let info = [0; 64];
    let peer_seal =
        |entropy: &mut StdRng| {
            let (enc, mut sender) = hpke::setup_sender_with_rng::<
                ChaCha20Poly1305,
                HkdfSha256,
                X25519HkdfSha256,
            >(&OpModeS::Base, &public, &info, entropy)
            .expect("a context");
            (enc, sender.seal(&content, &[]).expect("a ciphertext"))
        };
    let (enc, ciphertext) = peer_seal(&mut entropy);

    let count = 300;
    let theirs = best(count, |_| {
        black_box((peer_seal(&mut entropy), dalek.sign(&content)));
    });
    let ours = best(count, |_| {
        black_box(seal(&letter, &author, &recipients, &context, &mut entropy).expect("a letter"));
    });
    let base = report.figure("hpke and ed25519-dalek alone: seal and sign 1 KiB", 1.0 / theirs, "/s");
    report.ratio("seal, 1 KiB", 1.0 / ours, "/s", "the two alone", base);

    let verifying = dalek.verifying_key();
    let theirs = best(count, |_| {
        let mut receiver = hpke::setup_receiver::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Base,
            &secret,
            &enc,
            &info,
        )
        .expect("a context");
        black_box(receiver.open(&ciphertext, &[]).expect("it opens"));
        // The key comes with the letter, so it has to be decoded as well.
        let key = ed25519_dalek::VerifyingKey::from_bytes(verifying.as_bytes()).expect("a key");
        key.verify(&content, &signature).expect("it holds");
    });
    let ours = best(count, |_| {
        black_box(open(&sealed, &key, &context).expect("it opens"));
    });
    let base = report.figure("hpke and ed25519-dalek alone: open and verify 1 KiB", 1.0 / theirs, "/s");
    report.ratio("open, 1 KiB", 1.0 / ours, "/s", "the two alone", base);
}

fn rules() -> Rules {
    Rules::new(NetworkId(Digest::of(b"bench")))
}

/// A posting with its work done.
fn stamped(rules: &Rules, posting: Posting) -> Posting {
    let search = posting.subject(rules).search(&rules.work);
    let stamp = search.expect("a search").try_attempts(0..1 << 32).expect("a nonce");
    posting.stamped(&stamp)
}

fn posting(topic: &Topic, time: u32, content: Vec<u8>) -> Posting {
    let effort = rules().work.bulletins;
    let bulletin = Bulletin::new(topic.id(), UnixSeconds(time), 0, content).expect("a bulletin");
    stamped(&rules(), Posting::new(effort, bulletin))
}

/// What it costs to refuse, by reason. Contents and bodies are of the largest size: none is hashed.
fn refusals(report: &mut Report) {
    let topic = Topic::beacon();
    let large = vec![0; jurat_bulletin::MAX_CONTENT_BYTES];
    let good = posting(&topic, NOW.0, large.clone());
    let mut board = Board::new(rules(), BoardLimits::default());
    board.receive(NOW, &good.encode(), Origin::Sender { trust: 0 }).expect("it is taken");
    let with = |time: u32, content: &[u8]| {
        let bulletin = Bulletin::new(topic.id(), UnixSeconds(time), 0, content.to_vec()).expect("a bulletin");
        Posting::new(Effort::new(7), bulletin).encode()
    };
    let mut other = large;
    other[0] = 1;
    let cases = [
        ("bulletin refused: truncated", with(NOW.0, &other)[..70].to_vec()),
        ("bulletin refused: oversize", [with(NOW.0, &other), vec![0]].concat()),
        ("bulletin refused: expired", with(NOW.0 - 3601, &other)),
        ("bulletin refused: from the future", with(NOW.0 + 121, &other)),
        ("bulletin refused: there already", good.encode()),
        ("bulletin refused: too little promised", [&[0; 4], &with(NOW.0, &other)[4..]].concat()),
    ];
    for (what, bytes) in cases {
        let cost = best(10_000, |_| {
            black_box(board.receive(NOW, &bytes, Origin::Sender { trust: 0 }).expect_err("a refusal"));
        });
        report.figure(what, cost * 1e6, "µs");
    }
    let (alice, bob) = (SigningKey::from_seed(&[1; 32]), SigningKey::from_seed(&[2; 32]).verifying_key());
    let mut inbox = Inbox::new(rules(), &bob, 1000);
    let keys = [SealingKey::from_bytes(&[2; 32])];
    let message = |time: u32, dst: [u8; 32]| {
        Message::sign(&alice, dst, UnixSeconds(time), vec![0; 60_000], &rules()).encode(Effort::new(1))
    };
    let cases = [
        ("message refused: for another", message(NOW.0, [9; 32])),
        ("message refused: expired", message(NOW.0 - 301, *bob.as_bytes())),
        ("message refused: too little promised", [&[0; 4], &message(NOW.0, *bob.as_bytes())[4..]].concat()),
        ("message refused: not sealed", message(NOW.0, *bob.as_bytes())),
    ];
    for (what, bytes) in cases {
        let cost = best(10_000, |_| {
            black_box(inbox.receive(NOW, &bytes, Effort::new(1), keys.iter()).expect_err("a refusal"));
        });
        report.figure(what, cost * 1e6, "µs");
    }
}

/// What a board takes on one thread, beside the hash that each bulletin costs it.
fn accepting(report: &mut Report) {
    let topic = Topic::beacon();
    let postings: Vec<_> =
        (0..500_u32).map(|i| posting(&topic, NOW.0, i.to_be_bytes().repeat(64)).encode()).collect();
    let hash = best(500, |i| {
        black_box(rules().work.function.check(&preimage(0, i), &None));
    });
    let mut taken = f64::INFINITY;
    for _ in 0..ROUNDS {
        let mut board = Board::new(rules(), BoardLimits::default());
        taken = taken.min(once(500, &mut |i| {
            board.receive(NOW, &postings[i as usize], Origin::Sender { trust: 0 }).expect("it is taken");
        }));
    }
    let base = report.figure("the limit: one stamp hash a bulletin", 1.0 / hash, "/s");
    report.ratio(
        "bulletins of 256 bytes checked and kept, one thread, no disk",
        1.0 / taken,
        "/s",
        "the limit",
        base,
    );
}

/// How many of a member's messages a node takes at once, to share one sync of the disk.
const AT_ONCE: usize = 64;

/// What the thread of a node that keeps its bulletins takes from another member: each checked and kept, each
/// pass durable before the next. Beside what bounds it: the stamp's hash, and the disk.
fn from_peer(report: &mut Report) -> Result<(), String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let passes = 50;
    let topics: Vec<Topic> = (0..8_u8).map(|i| Topic::new(vec![i])).collect();
    let posting = |i: usize| posting(&topics[i % topics.len()], NOW.0, i.to_be_bytes().repeat(32)).encode();
    let postings: Vec<Vec<u8>> = (0..passes * AT_ONCE).map(posting).collect();
    let hash = best(500, |i| {
        black_box(rules().work.function.check(&preimage(0, i), &None));
    });
    let root = tempfile::tempdir().map_err(|error| text(&error))?;
    let (mut taken, mut written) = (f64::INFINITY, f64::INFINITY);
    for round in 0..ROUNDS {
        let place = root.path().join(round.to_string());
        let dir = DataDir::open(Arc::new(StdFs), &place, rules().network).map_err(|error| text(&error))?;
        let store = BulletinStore::open(&dir).map_err(|error| text(&error))?;
        taken = taken.min(take_passes(&postings, &store)?);
        let mut file = File::create(place.join("bare")).map_err(|error| text(&error))?;
        let start = Instant::now();
        for pass in postings.chunks(AT_ONCE) {
            let synced = file.write_all(&pass.concat()).and_then(|()| file.sync_data());
            synced.map_err(|error| text(&error))?;
        }
        written = written.min(start.elapsed().as_secs_f64());
    }
    let count = postings.len() as f64;
    let hashes = report.figure("the limit: one stamp hash a bulletin", 1.0 / hash, "/s");
    let disk =
        report.figure("the limit: the same bytes, 64 at a time, with fdatasync", count / written, "/s");
    report.figure(
        "signature checks, one by one on all cores; a bulletin has none",
        limits::signature_checks_per_second(),
        "/s",
    );
    let what = "bulletins of 256 bytes from a member, checked and stored durably, 64 at a time";
    report.ratio(what, count / taken, "/s", "the hash", hashes);
    report.ratio("the same", count / taken, "/s", "the disk", disk);
    Ok(())
}

/// Seconds in which a new exchange takes all of these and has them stored.
fn take_passes(postings: &[Vec<u8>], store: &BulletinStore) -> Result<f64, String> {
    let mut now = Now { elapsed: 0, wall: BatchTime(u64::from(NOW.0) * 1000) };
    let [own, other] = [[1; 32], [2; 32]].map(|seed| SigningKey::from_seed(&seed));
    let entropy = StdRng::from_seed([3; 32]);
    let mut exchange = BulletinExchange::new(rules(), BoardLimits::default(), own, entropy);
    let others = BTreeMap::from([(ReplicaId(1), other.verifying_key())]);
    exchange.set_council(Some(ReplicaId(0)), &others, now);
    exchange.up(ReplicaId(1), now);
    let start = Instant::now();
    for pass in postings.chunks(AT_ONCE) {
        now.elapsed += 50;
        for posting in pass {
            // A body says what it is: 1 is a posting.
            let body = [&[1], posting.as_slice()].concat();
            let body = SpreadMessage::Body { body: body.into(), hops: 0, pulled: false };
            exchange.receive(ReplicaId(1), BulletinMessage::Spread(body), posting.len(), now);
        }
        exchange.wake(now);
        let effects = exchange.take_effects();
        let name = |key: &BulletinKey| {
            let mut name = [0; 68];
            name[..32].copy_from_slice(key.topic.0.as_bytes());
            name[32..36].copy_from_slice(&key.time.0.to_be_bytes());
            name[36..].copy_from_slice(key.content.0.as_bytes());
            name
        };
        let stored = effects.persist.iter().map(|posting| (name(&posting.key), &*posting.bytes)).collect();
        let changes = BulletinChanges { stored, ..BulletinChanges::default() };
        store.change(&changes).map_err(|error| error.to_string())?;
    }
    let seconds = start.elapsed().as_secs_f64();
    match exchange.counts().from_members {
        taken if taken == postings.len() as u64 => Ok(seconds),
        taken => Err(format!("{taken} of {} bulletins were taken", postings.len())),
    }
}

/// The real command, with a difficulty that nobody meets.
fn threads(report: &mut Report) -> Result<(), String> {
    let binary = council::binary()?;
    let seconds = |threads: usize, attempts: u32| -> Result<f64, String> {
        let start = Instant::now();
        let status = Command::new(&binary)
            .args(["hashcash", "work", "--preimage", "bench", "--zero-bits", "256"])
            .args(["--threads", &threads.to_string(), "--max-attempts", &attempts.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .map_err(|error| error.to_string())?;
        if status.code() != Some(1) {
            return Err(format!("the search should find nothing, and ended with {status}"));
        }
        Ok(start.elapsed().as_secs_f64())
    };
    let attempts = 100_000;
    let rate = |threads| -> Result<f64, String> {
        let mut best = f64::INFINITY;
        for _ in 0..3 {
            best = best.min(seconds(threads, attempts)?);
        }
        Ok(f64::from(attempts) / best)
    };
    let one = rate(1)?;
    let base = report.figure("nonce search, one thread", one, "attempts/s");
    let cores = limits::cores();
    report.ratio(format!("nonce search, {cores} threads"), rate(cores)?, "attempts/s", "one thread", base);
    Ok(())
}
