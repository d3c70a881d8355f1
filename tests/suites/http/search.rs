//! Looking attestations up, over HTTP and with `jurat find`.

use jurat_crypto::Digest;
use jurat_tests::{Attestor, Council, jurat};
use serde_json::Value;

use super::{NDJSON, WAIT, assert_problem};

const FILES: usize = 30;

fn indices(found: &Value) -> Vec<u64> {
    let attestations = found["attestations"].as_array().unwrap();
    attestations.iter().map(|attestation| attestation["index"].as_u64().unwrap()).collect()
}

#[test]
fn attestations_are_found_by_subject_attestor_and_time() {
    let council = Council::start();
    let http = council.http(0);
    let people = [Attestor::named("lab.example/ana"), Attestor::named("paper.example/bo")];
    // Everybody attests every third file that the other does, so some files have two attestors.
    let mut lines = String::new();
    for file in 0..FILES {
        for (who, person) in people.iter().enumerate() {
            if who == file % 2 || file % 3 == 0 {
                lines += &person.attest(&format!("file {file}")).to_envelope();
                lines += "\n";
            }
        }
    }
    let receipts = http.post(WAIT, NDJSON, lines.as_bytes()).unwrap().json_lines();
    let total = receipts.len() as u64;
    let get = |query: &str| http.get(&format!("/api/v1/attestations{query}")).unwrap().json();

    let all = get("?limit=1000");
    assert_eq!(indices(&all), (0..total).collect::<Vec<_>>());
    assert_eq!((&all["log_size"], &all["next"]), (&total.into(), &Value::Null));
    let subject = Digest::of(b"file 3");
    let both = get(&format!("?subject={subject}"));
    assert_eq!(both["attestations"].as_array().unwrap().len(), 2);
    for found in both["attestations"].as_array().unwrap() {
        assert_eq!(found["subjects"][0]["name"], "file 3");
        assert_eq!(found["subjects"][0]["sha256"], subject.to_string());
        let receipt = receipts.iter().find(|receipt| receipt["index"] == found["index"]).unwrap();
        for field in ["leaf_hash", "batch_time"] {
            assert_eq!(found[field], receipt[field]);
        }
    }
    let nobody = get(&format!("?subject={}", Digest::of(b"another file")));
    assert_eq!((indices(&nobody), &nobody["next"]), (Vec::new(), &Value::Null));

    // Page by page it is the same as at once.
    for person in &people {
        let vkey = person.vkey().to_string();
        let by = format!("?attestor={}", vkey.replace('+', "%2B"));
        let at_once = indices(&get(&format!("{by}&limit=1000")));
        let mine = |found: &&Value| found["attestor"] == vkey.as_str();
        assert_eq!(at_once.len(), all["attestations"].as_array().unwrap().iter().filter(mine).count());
        let (mut paged, mut after) = (Vec::new(), String::new());
        loop {
            let page = get(&format!("{by}&limit=7{after}"));
            paged.extend(indices(&page));
            match page["next"].as_u64() {
                Some(next) => after = format!("&after={next}"),
                None => break,
            }
        }
        assert_eq!(paged, at_once);
        assert_eq!(indices(&get(&format!("{by}&subject={subject}"))).len(), 1);
    }

    let (first, last) = (&receipts[0]["batch_time"], &receipts[receipts.len() - 1]["batch_time"]);
    let time = |bound: &str, time: &Value| get(&format!("?{bound}={}&limit=1000", time.as_str().unwrap()));
    assert_eq!(indices(&time("since", first)).len() as u64, total);
    assert!(indices(&time("until", first)).is_empty());
    let since_last = indices(&time("since", last));
    assert!(since_last.contains(&(total - 1)));
    assert_eq!(indices(&time("until", last)).len() + since_last.len(), receipts.len());

    let problem = assert_problem(&http.get("/api/v1/attestations?subject=x").unwrap(), 400);
    assert_eq!(problem["field"], "subject");

    // The same with the command.
    let url = council.url(0);
    let found = jurat(["find", &subject.to_string(), "--node", &url, "--json"]);
    assert_eq!((found.code, found.json_lines().len()), (Some(0), 2), "{found:?}");
    let found = jurat(["find", &people[0].vkey().to_string(), "--node", &url, "--limit", "3"]);
    assert_eq!((found.code, found.stdout.lines().count()), (Some(0), 3), "{found:?}");
    let found = jurat(["find", &Digest::of(b"?").to_string(), "--node", &url]);
    assert_eq!(found.code, Some(1), "{found:?}");
    let found = jurat(["find", "no-such-file", "--node", &url]);
    assert_eq!(found.code, Some(2), "{found:?}");
}
