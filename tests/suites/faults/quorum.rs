//! Two of four members are down: nothing can be ordered, and everybody is told so.

use jurat_tests::{Attestor, Council, jurat, leaf_hash, path, until};

const WAIT: &str = "/api/v1/attestations?wait=receipt";
const JSON: &str = "application/json";

#[test]
fn without_a_quorum_submissions_wait_and_are_ordered_when_it_is_back() {
    let council = Council::found();
    let impatient = |member| {
        council.run_with(member, |command| {
            command.args(["--http-no-quorum-timeout", "1"]);
        });
    };
    for member in 0..4 {
        impatient(member);
    }
    council.until_connected();
    let ana = Attestor::named("lab.example/ana");
    let submit = |member: usize, file: &str| {
        council.http(member).post(WAIT, JSON, ana.attest(file).to_envelope().as_bytes()).unwrap()
    };
    assert_eq!(submit(0, "before").status, 200);

    council.kill(2);
    council.kill(3);
    let answer = submit(0, "meanwhile at node-1");
    let problem = answer.json();
    assert_eq!((answer.status, &problem["status"]), (503, &503.into()), "{problem}");
    assert!(answer.header("retry-after").is_some_and(|seconds| seconds.parse::<u32>().is_ok()));
    let detail = problem["detail"].as_str().unwrap();
    for told in
        ["no quorum", "2 of 4 members are connected", "3 are needed", "node-3, node-4", "will be ordered"]
    {
        assert!(detail.contains(told), "{told} in {detail}");
    }
    // Whoever does not wait is told that it was taken; what the log has is served as ever.
    let taken =
        council.http(1).post("/api/v1/attestations", JSON, ana.attest("taken").to_envelope().as_bytes());
    assert_eq!(taken.unwrap().status, 202);
    assert_eq!(submit(1, "before").status, 200);
    // The command line says the same, with the exit code for what can't be reached.
    let (key, file) = (council.dir().join("key"), council.dir().join("file"));
    std::fs::write(&file, "meanwhile by the command").unwrap();
    jurat(["keygen", "--name", "ana", "-o", path(&key)]).success();
    let attest = ["attest", path(&file), "--key", path(&key), "--node", &council.url(0)];
    let refused = jurat(attest);
    assert_eq!(refused.code, Some(3), "{refused:?}");
    assert!(refused.stderr.contains("no quorum") && refused.stderr.contains("node-3, node-4"), "{refused:?}");
    assert!(!council.dir().join("file.jurat").exists());

    // One that took entries crashes and comes back with them; then the quorum does.
    council.kill(0);
    impatient(0);
    council.until_answers(0);
    assert_eq!(submit(0, "after a crash").status, 503);
    impatient(3);
    for file in ["meanwhile at node-1", "taken", "after a crash"] {
        // Nobody submits again: they are ordered by themselves.
        for member in [0, 1, 3] {
            until(file, || {
                let at = format!("/api/v1/receipts/{}", leaf_hash(&ana.attest(file)));
                let answer = council.http(member).get(&at).map_err(|error| error.to_string())?;
                if answer.status == 200 { Ok(()) } else { Err(answer.text().to_owned()) }
            });
        }
    }
    jurat(attest).success();
    impatient(2);
    council.until_connected();
    assert_eq!(council.until_same_log(5), 5);
    council.same_tiles(5);
}
