//! Files that are missing, damaged or somebody else's, and places that are taken: the node refuses
//! with exit code 3 and one line that says what, why and what to do, and changes nothing.

use std::{
    collections::BTreeMap,
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use jurat_tests::{Attestor, Council, Finished, jurat, jurat_in, path};

/// Where the damage is done.
const COPY: &str = "copy";

#[test]
fn configurations_and_keys_that_do_not_fit_are_refused() {
    let council = Council::found();
    let other_key = fs::read(council.members()[1].dir.join("node.key")).unwrap();
    let foreign = fs::read(Council::found().members()[0].dir.join("genesis.json")).unwrap();
    let refused = |damage: &dyn Fn(&Path), told: &[&str]| assert_refused(&council, damage, told);

    refused(&|dir| remove(dir, "node.toml"), &["node.toml", "'jurat council new'"]);
    refused(&|dir| write(dir, "node.toml", b"= what\n"), &["node.toml, line 1", "'jurat run --help'"]);
    refused(&|dir| write(dir, "node.toml", b"\xff\xfe\0\x01"), &["can't read", "node.toml"]);
    refused(&|dir| append(dir, "node.toml", "colour = 1\n"), &["node.toml, line ", "`colour`"]);
    refused(&|dir| remove(dir, "genesis.json"), &["genesis.json", "'jurat council new'"]);
    refused(
        &|dir| write(dir, "genesis.json", b"{"),
        &["genesis.json is not a genesis", "from another member"],
    );
    refused(&|dir| write(dir, "genesis.json", &foreign), &["genesis.json", "must belong together"]);
    refused(&|dir| remove(dir, "node.key"), &["can't read key file", "node.key", "--key"]);
    refused(&|dir| write(dir, "node.key", b"what\n"), &["node.key", "not a key file"]);
    refused(&|dir| write(dir, "node.key", &other_key), &["node-1", "genesis.json", "must belong together"]);
    let open = |dir: &Path| {
        fs::set_permissions(dir.join("node.key"), fs::Permissions::from_mode(0o644)).unwrap();
    };
    refused(&open, &["can be read by others (mode 644)", "chmod 600"]);
}

#[test]
fn data_that_is_missing_or_damaged_is_refused() {
    let council = Council::start();
    let ana = Attestor::named("lab.example/ana");
    for file in 0..5 {
        let envelope = ana.attest(&format!("file {file}")).to_envelope();
        let answer = council.http(0).post(
            "/api/v1/attestations?wait=receipt",
            "application/json",
            envelope.as_bytes(),
        );
        assert_eq!(answer.unwrap().status, 200);
    }
    assert_eq!(council.until_same_log(5), 5);
    for member in 0..4 {
        assert_eq!(council.stop(member).code(), Some(0));
    }
    let refused = |damage: &dyn Fn(&Path), told: &[&str]| assert_refused(&council, damage, told);

    // What the node promised the others.
    refused(
        &|dir| flip(&journal(dir), 4096 + 100),
        &["journal segment", "is damaged at byte 4096", "docs/operating.md"],
    );
    refused(
        &|dir| flip(&journal(dir), 10),
        &["journal segment", "is damaged at byte 0", "docs/operating.md"],
    );
    refused(
        &|dir| fs::remove_file(journal(dir)).unwrap(),
        &["the journal", "is missing", "docs/operating.md"],
    );
    refused(&|dir| fs::remove_dir_all(dir.join("data/journal")).unwrap(), &["the journal", "is missing"]);
    // The right edge of the log; `jurat log fsck` looks at what is behind it.
    let (tile, bundle) = ("data/log/tile/0/000.p/5", "data/log/tile/entries/000.p/5");
    refused(&|dir| remove(dir, tile), &[tile, "is missing", "a mirror or a backup", "`jurat log fsck`"]);
    refused(
        &|dir| flip(&dir.join(tile), 100),
        &["data/log", "make the root", "5 leaves", "`jurat log fsck`"],
    );
    refused(&|dir| truncate(dir, tile, 100), &[tile, "has 100 bytes instead of 160"]);
    refused(&|dir| remove(dir, bundle), &[bundle, "is missing"]);
    refused(&|dir| flip(&dir.join(bundle), 90), &[bundle, "is damaged, entry 0", "a mirror or a backup"]);
    refused(&|dir| truncate(dir, bundle, 100), &[bundle, "is damaged", "ends within entry 0 of 5"]);
    refused(&|dir| fs::remove_dir_all(dir.join("data/log")).unwrap(), &["data/log", "is missing"]);
    // The index.
    let index = "data/index.redb";
    refused(&|dir| remove(dir, index), &[index, "is missing", "a mirror or a backup"]);
    refused(&|dir| write(dir, index, &vec![7; 20_000]), &[index, "can't be used", "if the disk is well"]);
    refused(&|dir| truncate(dir, index, 5000), &[index, "can't be used", "if the disk is well"]);
    // Other directories.
    refused(&|dir| remove(dir, "data/format"), &["data", "neither empty nor a Jurat data directory"]);
    refused(&|dir| write(dir, "data/format", b"what"), &["neither empty nor a Jurat data directory"]);
    refused(&newer_format, &["has format 2", "knows format 1"]);
    let network = "0".repeat(64);
    let of_network = format!("jurat data directory\nversion 1\nnetwork {network}\n");
    refused(&|dir| write(dir, "data/format", of_network.as_bytes()), &["belongs to network", &network]);
    let of_another = fs::read(council.members()[1].dir.join("data/format")).unwrap();
    refused(&|dir| write(dir, "data/format", &of_another), &["belongs to node-2+", "each node has its own"]);
    // All of it is as it was, and in use again.
    for member in 0..4 {
        council.run(member);
    }
    council.until_connected();
    assert_eq!(council.until_same_log(5), 5);
}

#[test]
fn directories_and_ports_that_are_taken_are_refused() {
    let council = Council::found();
    let member = &council.members()[0];
    let run = ["run", path(&member.dir)];
    council.run(0);
    council.until_answers(0);
    let elsewhere = ["--http-listen", "127.0.0.1:0", "--peer-listen", "127.0.0.1:0"];
    let second = jurat(run.into_iter().chain(elsewhere));
    assert_says(&second, &["data directory", "in use by another process", "stop that one"]);
    council.until_answers(0);
    assert_eq!(council.stop(0).code(), Some(0));

    for (what, address, flag) in
        [("HTTP", member.http, "--http-listen"), ("links", member.peer, "--peer-listen")]
    {
        let _taken = TcpListener::bind(address).unwrap();
        let before = files(&member.dir);
        let refused = jurat(run);
        assert_says(&refused, &[&format!("can't listen for {what} on {address}"), "free the port", flag]);
        assert_same(&before, &files(&member.dir));
    }
    council.run(0);
    council.until_answers(0);
}

/// Does some damage to a copy of the first member's directory, runs a node in it, and puts back what
/// was damaged, as the node's advice is.
#[track_caller]
fn assert_refused(council: &Council, damage: &dyn Fn(&Path), told: &[&str]) {
    let copy = council.dir().join(COPY);
    copy_dir(&council.members()[0].dir, &copy);
    let check = ["run", path(&copy), "--check"];
    jurat(check).success();
    let whole = files(&copy);
    damage(&copy);
    let damaged = files(&copy);
    let refused = jurat_in(council.dir(), ["run", COPY]);
    assert_says(&refused, told);
    assert_same(&damaged, &files(&copy));
    for (at, (mode, bytes)) in whole.iter().filter(|(at, file)| damaged.get(*at) != Some(file)) {
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        fs::write(at, bytes).unwrap();
        fs::set_permissions(at, fs::Permissions::from_mode(*mode)).unwrap();
    }
    jurat(check).success();
    fs::remove_dir_all(copy).unwrap();
}

/// Exit code 3, and one line for people.
#[track_caller]
fn assert_says(refused: &Finished, told: &[&str]) {
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(3), ""), "{refused:?}");
    let lines: Vec<&str> = refused.stderr.lines().collect();
    assert!(matches!(lines[..], [line] if line.starts_with("jurat: ")), "{lines:?}");
    for told in told {
        assert!(lines[0].contains(told), "{told} in {}", lines[0]);
    }
}

/// Files with their permissions.
type Files = BTreeMap<PathBuf, (u32, Vec<u8>)>;

/// All files of a directory; a node that runs has a socket there, too.
fn files(dir: &Path) -> Files {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let at = entry.unwrap().path();
        if at.is_dir() {
            found.extend(files(&at));
        } else if at.is_file() {
            let mode = fs::metadata(&at).unwrap().permissions().mode();
            found.insert(at.clone(), (mode, fs::read(at).unwrap()));
        }
    }
    found
}

#[track_caller]
fn assert_same(before: &Files, after: &Files) {
    assert!(before.keys().eq(after.keys()), "{:?} became {:?}", before.keys(), after.keys());
    // The index is a database that takes notes of its own when it is opened; what it says is checked
    // by the node that opens it next.
    for (at, file) in before.iter().filter(|(at, _)| !at.ends_with("index.redb")) {
        assert!(*file == after[at], "{} changed", at.display());
    }
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let at = entry.unwrap().path();
        let copy = to.join(at.file_name().unwrap());
        if at.is_dir() {
            copy_dir(&at, &copy);
        } else if at.is_file() {
            fs::copy(at, copy).unwrap();
        }
    }
}

/// The journal's only segment.
fn journal(dir: &Path) -> PathBuf {
    let segments = fs::read_dir(dir.join("data/journal")).unwrap().map(|entry| entry.unwrap().path());
    segments.filter(|at| !at.ends_with("lock")).max().unwrap()
}

fn remove(dir: &Path, name: &str) {
    fs::remove_file(dir.join(name)).unwrap();
}

fn write(dir: &Path, name: &str, bytes: &[u8]) {
    fs::write(dir.join(name), bytes).unwrap();
}

fn append(dir: &Path, name: &str, text: &str) {
    write(dir, name, (fs::read_to_string(dir.join(name)).unwrap() + text).as_bytes());
}

fn truncate(dir: &Path, name: &str, length: u64) {
    fs::File::options().write(true).open(dir.join(name)).unwrap().set_len(length).unwrap();
}

fn flip(file: &Path, at: usize) {
    let mut bytes = fs::read(file).unwrap();
    bytes[at] ^= 1;
    fs::write(file, bytes).unwrap();
}

fn newer_format(dir: &Path) {
    let format = fs::read_to_string(dir.join("data/format")).unwrap();
    write(dir, "data/format", format.replace("version 1", "version 2").as_bytes());
}
