//! What `docs/json.md` shows is what the commands print, field by field.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

const PAGE: &str = include_str!("../../../docs/json.md");
const PATIENCE: Duration = Duration::from_mins(1);

#[test]
fn commands_print_what_the_page_shows() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let founded = jurat(dir, "council new council --members 1 --json");
    let node = founded["members"][0]["http"].as_str().unwrap().to_owned();
    let running = Running::start(dir, "council");
    let status = status_of_running(dir, &node);
    let key = jurat(dir, "keygen --name lab.example/ana -o ana.key --json");
    fs::write(dir.join("report.txt"), "the content").unwrap();
    fs::write(dir.join("other.txt"), "other content").unwrap();
    let attested = jurat(dir, &format!("attest report.txt --key ana.key --node {node} --json"));
    let verify = "--policy council/policy --receipt report.txt.jurat --json";
    let proven = jurat(dir, &format!("find report.txt --prove -o report.proof --node {node} --json"));
    let proof = "--proof report.proof --policy council/policy --json";
    let other_log = key["vkey"].as_str().unwrap();
    let witness = jurat(dir, &format!("witness trust council/node-1 {other_log} --json"));
    let log = format!("--log {node} --policy council/policy --json");
    let follower = format!("init reader --name lib --follow {node} --council council/node-1 --json");
    let follower = jurat(dir, &follower);
    let peers = jurat(dir, "peer list reader --json");
    let mirrored = jurat(dir, &format!("mirror add mirror {node} --policy council/policy --json"));
    jurat(dir, "council new four --members 4 --json");
    jurat(dir, "council new five --members 5 --json");
    let join = jurat(dir, "council join node-5 --name node-5 --council four/node-1 --json");
    let sign = jurat(dir, "council sign node-5/node-5.change four/node-1 --json");
    fs::write(dir.join("genesis.json"), serde_json::to_string(&support::genesis(4)).unwrap()).unwrap();
    let lies = support::lies().map(|lie| lie.encode());
    fs::write(dir.join("vote.evidence"), &lies[0]).unwrap();
    fs::write(dir.join("state.evidence"), &lies[1]).unwrap();
    let bulletins = bulletins(dir, &node);
    let outputs = [
        ("jurat evidence show", vec![jurat(dir, "evidence show vote.evidence --json")]),
        (
            "jurat evidence verify --council",
            vec![
                jurat(dir, "evidence verify vote.evidence --council genesis.json --json"),
                jurat(dir, "evidence verify state.evidence --council genesis.json --json"),
            ],
        ),
        ("jurat mirror add` and `list", vec![mirrored]),
        ("jurat mirror sync", vec![jurat(dir, "mirror sync mirror --json")]),
        ("jurat council join", vec![join]),
        ("jurat council sign", vec![sign]),
        ("jurat council leave", vec![jurat(dir, "council leave --member node-2 --council five -o x --json")]),
        ("jurat council show", vec![jurat(dir, "council show four --json")]),
        ("jurat witness trust` and `list", vec![witness]),
        ("jurat witness keys", vec![jurat(dir, "witness keys council/node-1 --json")]),
        ("jurat init --follow", vec![follower]),
        ("jurat peer list` and `add", vec![peers]),
        ("jurat peer pull", vec![jurat(dir, &format!("peer pull {node} --to {node} --json"))]),
        ("jurat keygen", vec![key]),
        ("jurat council new", vec![founded]),
        ("jurat council policy", vec![jurat(dir, "council policy council --json")]),
        ("jurat attest", vec![attested]),
        (
            "jurat verify",
            vec![
                jurat(dir, &format!("verify report.txt {verify}")),
                jurat(dir, &format!("verify other.txt {verify}")),
            ],
        ),
        ("jurat find", vec![jurat(dir, &format!("find report.txt --node {node} --json"))]),
        ("jurat find --prove", vec![proven]),
        (
            "jurat verify --proof",
            vec![
                jurat(dir, &format!("verify report.txt {proof}")),
                jurat(dir, &format!("verify other.txt {proof}")),
            ],
        ),
        ("jurat topic list", vec![jurat(dir, &format!("topic list --node {node} --json"))]),
        ("jurat status", vec![status]),
        ("jurat log tail", vec![jurat(dir, &format!("log tail --node {node} --json"))]),
        ("jurat log entry", vec![jurat(dir, &format!("log entry 0 {log}"))]),
        ("jurat log prove", vec![jurat(dir, &format!("log prove 0 {log}"))]),
        ("jurat log consistency", vec![jurat(dir, &format!("log consistency 1 {log}"))]),
        ("jurat log export", vec![jurat(dir, &format!("log export copy {log}"))]),
        ("jurat log prune", vec![jurat(dir, "log prune copy --below 1 --json")]),
        ("jurat log import", vec![jurat(dir, &format!("log import {log} --node {node}"))]),
    ];
    // Afterwards: the log has entries of other kinds then.
    let (registry, letters) = (registry(dir, &node), letters(dir));
    let leaf = leaf(dir, &node, &letters[1].1);
    drop(running);
    let fsck = jurat(dir, "log fsck council/node-1 --json");
    let outputs = outputs
        .into_iter()
        .chain(bulletins)
        .chain(registry)
        .chain(letters)
        .chain([leaf, ("jurat log fsck", vec![fsck])]);
    for (command, printed) in outputs {
        let section = section(command);
        let examples = examples(section);
        assert_eq!(examples.len(), printed.len(), "{command}");
        for (example, printed) in examples.iter().zip(&printed) {
            assert_eq!(fields(example), fields(printed), "{command}: {printed}");
            for field in fields(example) {
                assert!(section.contains(&format!("`{field}`")), "{command}: {field} is not described");
            }
        }
    }
}

/// What is printed of a bulletin here, and in a network of Equihash.
fn bulletins(dir: &Path, node: &str) -> [(&'static str, Vec<Value>); 3] {
    let open = jurat(dir, "council new open --members 1 --algorithm equihash --json");
    let open = open["members"][0]["http"].as_str().unwrap().to_owned();
    let _running = Running::start(dir, "open");
    status_of_running(dir, &open);
    let commands = [
        ("jurat topic post", "topic post weather --text snow"),
        ("jurat topic price", "topic price weather"),
        ("jurat topic query` and `tail", "topic query weather"),
    ];
    commands.map(|(section, command)| {
        let printed = [node, &open].map(|node| jurat(dir, &format!("{command} --node {node} --json")));
        (section, printed.into())
    })
}

/// What is printed of a message, of one whose commitment is in the log, and of a gate.
fn letters(dir: &Path) -> [(&'static str, Vec<Value>); 3] {
    let send = "dm send council/node-1 --to node-1 --json --text";
    let sent = [jurat(dir, &format!("{send} one")), jurat(dir, &format!("{send} two --ordered"))];
    let started = Instant::now();
    loop {
        let inbox = lines(dir, "dm inbox council/node-1 --keep --json");
        if inbox.len() == 2 {
            let gate = jurat(dir, "gate create council/node-1 snow --json");
            assert_eq!(lines(dir, "gate list council/node-1 --json"), std::slice::from_ref(&gate));
            return [
                ("jurat dm send", sent.into()),
                ("jurat dm inbox", inbox),
                ("jurat gate list", vec![gate]),
            ];
        }
        assert!(started.elapsed() < PATIENCE, "{inbox:?}");
    }
}

/// What is printed of the commitment to a message that came: with its own leaf hash, and with another.
fn leaf(dir: &Path, node: &str, inbox: &[Value]) -> (&'static str, Vec<Value>) {
    let ordered = inbox.iter().find_map(|letter| letter.get("ordered")).unwrap();
    let index = &ordered["index"];
    jurat(dir, &format!("log prove {index} --log {node} --policy council/policy -o letter.jurat --json"));
    let verify = |leaf: &str| {
        jurat(dir, &format!("verify --leaf {leaf} --receipt letter.jurat --policy council/policy --json"))
    };
    let verified = verify(ordered["leaf_hash"].as_str().unwrap());
    assert_eq!((&verified["valid"], &verified["index"]), (&Value::Bool(true), index));
    ("jurat verify --leaf", vec![verified, verify(&"ab".repeat(32))])
}

/// What the commands about the registry print: of a proposal that one approval is missing for.
fn registry(dir: &Path, node: &str) -> Vec<(&'static str, Vec<Value>)> {
    let ask = |arguments: &str| jurat(dir, &format!("{arguments} --node {node} --json"));
    for name in ["lab", "press", "court"] {
        for key in [name.to_owned(), format!("{name}-board")] {
            let made = jurat(dir, &format!("keygen --name {key} -o {key}.key --json"));
            fs::write(dir.join(format!("{key}.pub")), made["vkey"].as_str().unwrap()).unwrap();
        }
        ask(&format!(
            "federation register fed:{name} --name {name} --min-teams 1 --admin {name}.pub \
             --team board={name}-board.pub --key {name}.key --key {name}-board.key"
        ));
    }
    ask("trust establish fed:court --as fed:lab --relationship trusted --key lab.key");
    ask("trust record fed:court went-well --as fed:lab --key lab.key");
    let proposed = ask("proposal create --as fed:lab --team board --affects fed:press --action data.share \
                        --description x --key lab.key --key lab-board.key --receipt proposal.jurat");
    let id = proposed["proposal"].as_str().unwrap().to_owned();
    ask(&format!("proposal approve {id} --as fed:lab --team board --key lab.key --key lab-board.key"));
    ask(&format!("proposal witness {id} --as fed:court --team board --key court.key --key court-board.key"));
    let signed =
        ask(&format!("proposal approve {id} --as fed:press --team board --key press.key --sign-only x.json"));
    let replayed = jurat(dir, &format!("registry replay --log {node} --policy council/policy --json"));
    let asked = [
        ("jurat operation show", "operation show x.json".to_owned()),
        ("jurat federation list", "federation list".into()),
        ("jurat federation show", "federation show fed:lab".into()),
        ("jurat trust show", "trust show --of fed:lab".into()),
        ("jurat trust status", "trust status fed:lab fed:court".into()),
        ("jurat trust witnesses", "trust witnesses fed:lab".into()),
        ("jurat trust graph", "trust graph".into()),
        ("jurat proposal list", "proposal list".into()),
        ("jurat proposal show", format!("proposal show {id}")),
        ("jurat proposal check", format!("proposal check {id}")),
        ("jurat collusion report", "collusion report".into()),
        ("jurat collusion show", "collusion show fed:lab".into()),
        ("jurat collusion risk", format!("collusion risk {id} --approver fed:press")),
        ("jurat registry show", "registry show".into()),
    ];
    let mut printed = vec![
        ("jurat operation submit", vec![proposed]),
        ("jurat operation sign", vec![signed]),
        ("jurat registry replay", vec![replayed]),
    ];
    printed.extend(asked.map(|(command, arguments)| (command, vec![ask(&arguments)])));
    printed
}

/// The part of the page about a command.
fn section(command: &str) -> &'static str {
    let from = PAGE.find(&format!("## `{command}`\n")).unwrap();
    let rest = &PAGE[from + 3..];
    &rest[..rest.find("\n## ").unwrap_or(rest.len())]
}

fn examples(section: &str) -> Vec<Value> {
    let blocks = section.split("```json\n").skip(1);
    blocks.map(|block| serde_json::from_str(block.split("```").next().unwrap()).unwrap()).collect()
}

/// The names of all fields, those in an array of objects as `members[].name`.
fn fields(value: &Value) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (name, value) in value.as_object().into_iter().flatten() {
        match value.as_array().map_or(&[][..], |elements| elements) {
            [element @ Value::Object(_), ..] => {
                names.extend(fields(element).into_iter().map(|inner| format!("{name}[].{inner}")));
            }
            _ => {
                names.insert(name.clone());
            }
        }
    }
    names
}

/// The one line that a command prints.
fn jurat(dir: &Path, arguments: &str) -> Value {
    let mut printed = lines(dir, arguments);
    assert_eq!(printed.len(), 1, "jurat {arguments}: {printed:?}");
    printed.remove(0)
}

/// What a command prints, line by line.
fn lines(dir: &Path, arguments: &str) -> Vec<Value> {
    let output = command(dir, arguments).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() || !text.is_empty(), "jurat {arguments}: {complaint}");
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn command(dir: &Path, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jurat"));
    command.current_dir(dir).args(arguments.split(' '));
    command
}

/// A node that ends with the test, whatever its outcome.
struct Running(Child);

impl Running {
    /// Runs the only member of a council.
    fn start(dir: &Path, council: &str) -> Self {
        let run = format!("run {council}/node-1 --stop-with-stdin --log-level error");
        let mut command = command(dir, &run);
        Self(command.stdin(Stdio::piped()).spawn().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// The status of a node, as soon as it gives one.
fn status_of_running(dir: &Path, node: &str) -> Value {
    let deadline = Instant::now() + PATIENCE;
    let mut command = command(dir, &format!("status --node {node} --json"));
    loop {
        let output = command.output().unwrap();
        if output.status.success() {
            return serde_json::from_slice(&output.stdout).unwrap();
        }
        assert!(Instant::now() < deadline, "{}", String::from_utf8_lossy(&output.stderr));
    }
}
