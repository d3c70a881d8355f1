//! What the disk has of gates, and what whoever reads the disk has of them.

use super::*;

const SECRET: &str = "the envelope is under the third stone";

fn holds(value: &[u8], text: &str) -> bool {
    value.windows(text.len()).any(|part| part == text.as_bytes())
}

#[test]
fn nothing_secret_is_stored_as_it_is() {
    let mut council = Council::new(4);
    let id = council.gate_of(&[0, 1]);
    council.post(0, &id, SECRET).unwrap();
    council.run();
    assert_eq!(council.posts(1, &id), [SECRET]);
    for node in &council.nodes {
        for (row, value) in &node.disk.rows {
            assert!(!holds(value, SECRET) && !holds(value, "snow"), "{row:?}");
        }
    }
    // A row can't take the place of another, be changed, or be opened with another key.
    let Disk { rows, keys } = council.nodes[1].disk.clone();
    let unreadable = |rows: BTreeMap<GateRow, Vec<u8>>, keys: &[StorageKey]| {
        let mut gates = GateExchange::new(network(), key(1));
        gates.restore(keys.to_vec(), rows.into_iter().collect(), council.now)
    };
    let secret = rows.keys().filter(|row| !matches!(row, GateRow::Item(_) | GateRow::MemberPackages(_)));
    let secret: Vec<GateRow> = secret.copied().collect();
    assert!(secret.len() >= 4, "{secret:?}");
    assert_eq!(unreadable(rows.clone(), &keys), 0);
    assert_eq!(unreadable(rows.clone(), &[]), secret.len());
    let notes = secret.iter().filter(|row| matches!(row, GateRow::Note(_))).count();
    for (row, other) in secret.iter().zip(secret.iter().cycle().skip(1)) {
        // What waits in a gate is of no use without it.
        let lost = if matches!(row, GateRow::Gate(_)) { 1 + notes } else { 1 };
        let mut changed = rows.clone();
        *changed.get_mut(row).unwrap().last_mut().unwrap() ^= 1;
        assert_eq!(unreadable(changed, &keys), lost, "{row:?}");
        let mut moved = rows.clone();
        moved.insert(*row, rows[other].clone());
        assert_eq!(unreadable(moved, &keys), lost, "{row:?}");
    }
}

#[test]
fn a_new_storage_key_leaves_former_copies_of_rows_unreadable() {
    let mut council = Council::new(4);
    let id = council.gate_of(&[0, 1]);
    council.post(0, &id, SECRET).unwrap();
    council.run();
    let stolen = council.nodes[1].disk.clone();
    council.now.0 += STORAGE_KEY_LIFE;
    council.run();
    let now = council.nodes[1].disk.clone();
    assert!(now.keys[0].number > stolen.keys[0].number, "an hour is over");
    let mut gates = GateExchange::new(network(), key(1));
    let secret = stolen.rows.iter().filter(|(row, _)| matches!(row, GateRow::Gate(_) | GateRow::Note(_)));
    let rows: Vec<_> = secret.map(|(row, value)| (*row, value.clone())).collect();
    assert_eq!(gates.restore(now.keys, rows.clone(), council.now), rows.len());
    assert!(rows.iter().all(|(row, value)| council.nodes[1].gates.rows.open(row, value).is_none()));
    council.restart(1);
    assert_eq!(council.posts(1, &id), [SECRET]);
    assert_eq!(council.open(1, &id), council.open(0, &id));
    // Nothing is sealed again while nothing is written.
    let key = council.nodes[1].disk.keys[0].number;
    council.now.0 += STORAGE_KEY_LIFE;
    council.run();
    assert_eq!(council.nodes[1].disk.keys[0].number, key);
}

#[test]
fn what_waits_in_a_gate_that_can_not_be_read_stays_on_the_disk() {
    let mut council = Council::new(4);
    let id = council.gate_of(&[0, 1]);
    council.post(0, &id, SECRET).unwrap();
    council.run();
    let Disk { mut rows, keys } = council.nodes[1].disk.clone();
    rows.get_mut(&GateRow::Gate(id)).unwrap()[40] ^= 1;
    let mut gates = GateExchange::new(network(), key(1));
    // The gate, that the node joined it, and the post.
    assert_eq!(gates.restore(keys, rows.into_iter().collect(), council.now), 3);
    let changes = gates.take_changes(&mut council.entropy);
    assert!(
        changes.iter().all(|(row, _)| !matches!(row, GateRow::Gate(_) | GateRow::Note(_))),
        "{changes:?}"
    );
}

#[test]
fn a_gate_that_is_forgotten_leaves_nothing() {
    let mut council = Council::new(4);
    let id = council.gate_of(&[0, 1]);
    council.post(0, &id, SECRET).unwrap();
    council.run();
    assert!(council.nodes[1].disk.rows.keys().any(|row| matches!(row, GateRow::Note(_))));
    council.nodes[1].gates.forget(&id).unwrap();
    assert_eq!(council.nodes[1].gates.forget(&id), Err(NotDone::NoSuchGate));
    council.run();
    let rows = council.nodes[1].disk.rows.keys();
    assert!(rows.clone().all(|row| !matches!(row, GateRow::Gate(_) | GateRow::Note(_))), "{rows:?}");
    council.restart(1);
    council.run();
    assert!(council.nodes[1].gates.view(&id).is_none(), "its invitation lets nobody in again");
}

#[test]
fn an_own_change_that_waits_outlives_a_restart() {
    let mut council = Council::new(4);
    let id = council.gate_of(&[0, 1]);
    let change = council.rotate(0, &id).unwrap();
    // Stored, but neither sent nor handed in.
    council.wake(0);
    council.nodes[0].gates.take_order();
    council.restart(0);
    assert_eq!(council.nodes[0].gates.outcome(&id, &change), Ok(Outcome::Waits));
    council.run();
    assert_eq!(council.nodes[0].gates.outcome(&id, &change), Ok(Outcome::Counts));
    assert_eq!(council.open(0, &id), council.open(1, &id));
}
