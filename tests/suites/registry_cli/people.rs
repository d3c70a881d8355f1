//! From three registrations to an approved proposal.

use crate::Office;

#[test]
fn federations_earn_trust_and_agree_with_a_witness_from_outside() {
    let office = Office::open();
    for name in ["lab", "press", "court"] {
        office.register(name);
    }
    let listed = office.ask("federation list");
    let names: Vec<&str> =
        listed["federations"].as_array().unwrap().iter().map(|f| f["id"].as_str().unwrap()).collect();
    assert_eq!(names[..1], ["fed:court"]);
    assert_eq!(names.len(), 7, "the founders and three more: {names:?}");
    let lab = office.ask("federation show fed:lab");
    assert_eq!((&lab["operational"], &lab["teams"][0]["id"]), (&true.into(), &"board".into()));

    // Trust is entered, lost and earned.
    let establish = "trust establish fed:court --as fed:lab --relationship trusted --key lab.key";
    office.refuses(&format!("{establish} --score 5001"), "a score of 5001 is above the cap, 5000");
    office.ask(&format!("{establish} --score 4000"));
    office.ask("trust record fed:court went-well --as fed:lab --key lab.key");
    office.ask("trust record fed:court failed --as fed:lab --key lab.key");
    office.ask("trust record fed:court went-well --as fed:lab --key lab.key");
    let status = office.ask("trust status fed:lab fed:court");
    assert_eq!(
        (&status["score"], &status["successful"], &status["failed"]),
        (&4_000.into(), &2.into(), &1.into())
    );
    assert_eq!((&status["next_cap"], &status["days_needed"]), (&6_000.into(), &7.into()));
    office.refuses(
        "trust set fed:court 5001 --as fed:lab --key lab.key",
        "a score of 5001 is above the cap, 5000",
    );

    // Who has no right to it, or says it again.
    office.refuses(
        "trust record fed:court went-well --as fed:lab --key press.key",
        "has no part in this operation",
    );
    office.refuses("trust record fed:court went-well --as fed:lab", "needs 1 signatures, 0 are there");
    office.refuses(
        "trust record fed:court failed --as fed:lab --key lab.key --sequence 4",
        "sequence 4 of fed:lab for trust is stale; the last one was 4",
    );
    office.refuses("trust status fed:lab fed:la", "there is no federation fed:la");

    let made = office.ask(
        "proposal create --as fed:lab --team board --affects fed:press --action data.share \
         --description raw --key lab.key --key lab-board.key",
    );
    let id = made["proposal"].as_str().unwrap();
    let check = |code, words: &[&str]| {
        let checked = office.run(&format!("proposal check {id} --node {}", office.council.url(2)));
        assert_eq!(checked.code, Some(code), "{checked:?}");
        for word in words {
            assert!(checked.stdout.contains(word), "{word} is not in {checked:?}");
        }
    };
    office.council.until_same_log(made["log_size"].as_u64().unwrap());
    check(1, &["missing      fed:lab, fed:press", "may witness  fed:court (4000)"]);
    let decide = |what: &str, name: &str| {
        office.ask(&format!(
            "proposal {what} {id} --as fed:{name} --team board --key {name}.key --key {name}-board.key"
        ))
    };
    decide("approve", "lab");
    decide("approve", "press");
    let again =
        format!("proposal approve {id} --as fed:press --team board --key press.key --key press-board.key");
    office.refuses(&again, "has decided about proposal");
    let inside =
        format!("proposal witness {id} --as fed:press --team board --key press.key --key press-board.key");
    office.refuses(&inside, "affects federation fed:press");
    let witnessed = decide("witness", "court");
    office.council.until_same_log(witnessed["log_size"].as_u64().unwrap());
    check(0, &["approved", "missing      nobody", "witness      fed:court"]);
    let shown = office.ask(&format!("proposal show {id}"));
    assert_eq!(
        (&shown["status"], &shown["approvals"][1]["federation"]),
        (&"approved".into(), &"fed:press".into())
    );
    assert_eq!(office.ask("proposal list --awaiting fed:press")["proposals"], serde_json::json!([]));

    let partners = office.ask("collusion show fed:lab");
    assert_eq!(partners["partners"][0]["mutual_proposals"], 1);
    assert_eq!(office.ask("collusion report")["health"], "healthy");
    let risk = office.ask(&format!("collusion risk {id} --approver fed:press"));
    assert_eq!(risk["risk"], "low-not-enough-history");
}
