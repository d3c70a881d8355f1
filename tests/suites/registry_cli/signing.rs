//! One operation, signed by several people who each have their own key and machine.

use std::fs;

use crate::{Office, does};

#[test]
fn several_people_sign_copies_of_one_registration() {
    let office = Office::open();
    office.make_keys(&["ana", "ben", "board", "data", "legal", "mallory"]);
    let node = office.council.url(0);
    let made = office.ask(
        "federation register fed:lab --name Laboratory --admin ana.pub --admin ben.pub --threshold 2 \
         --team board=board.pub --team data=data.pub --team legal=legal.pub --key ana.key \
         --sign-only register.json",
    );
    assert_eq!(made["signed_by"].as_array().unwrap().len(), 1);
    let file = office.keys.join("register.json");
    assert!(does(&file).starts_with("fed:lab registers as \"Laboratory\"\nadmin: 2 of 2 keys must sign\n"));
    fs::copy(&file, office.keys.join("copy.json")).unwrap();
    office.json("operation sign register.json --key ben.key --key board.key");
    office.json("operation sign copy.json --key data.key --key legal.key");

    let shown = office.json("operation show register.json");
    let signed: Vec<_> = shown["needs"].as_array().unwrap().iter().map(|need| &need["signed"]).collect();
    assert_eq!(signed, [2, 1, 0, 0], "{shown}");
    office.refuses("operation submit register.json", "must sign too");
    let submitted = office.ask("operation submit register.json copy.json");
    assert!(
        fs::read_to_string(office.keys.join("register.json.jurat"))
            .unwrap()
            .starts_with("c2sp.org/tlog-proof@v1\n")
    );
    assert_eq!(submitted["receipt"], "register.json.jurat");
    // The same operation again is the same entry.
    assert_eq!(office.ask("operation submit register.json copy.json")["index"], submitted["index"]);

    // Two admins speak for it: one alone does not.
    office.refuses("federation dissolve --as fed:lab --key ana.key", "needs 2 signatures, 1 are there");
    office.ask("federation disable-team legal --as fed:lab --key ana.key --sign-only off.json");
    let shown = office.ask("operation show off.json");
    let missing = shown["needs"][0]["missing"].as_array().unwrap();
    assert_eq!((&shown["needs"][0]["who"], missing.len()), (&"admin".into(), 1));
    let other = office.run("operation submit off.json register.json --node http://127.0.0.1:9");
    assert_eq!(other.code, Some(2), "{other:?}");

    // A stranger's signature, and a file that says something else than it does.
    fs::copy(office.keys.join("off.json"), office.keys.join("stranger.json")).unwrap();
    office.json("operation sign stranger.json --key ben.key --key mallory.key");
    office.refuses("operation submit stranger.json", "is nobody's");
    let text = fs::read_to_string(office.keys.join("off.json")).unwrap();
    fs::write(office.keys.join("lie.json"), text.replace("team legal off", "team legal on")).unwrap();
    let lie = office.run("operation sign lie.json --key ben.key");
    assert_eq!(lie.code, Some(1));
    assert!(lie.stderr.contains("its readable fields say something else"), "{lie:?}");

    office.json("operation sign off.json --key ben.key");
    office.run(&format!("operation submit off.json --node {node}")).success();
    let lab = office.ask("federation show fed:lab");
    assert_eq!((&lab["teams"][2]["active"], &lab["operational"]), (&false.into(), &false.into()));
}

#[test]
fn teams_rules_and_keys_change() {
    let office = Office::open();
    office.register("lab");
    office.register("press");
    office.make_keys(&["ana", "eva", "eva-2027", "desk"]);
    office.ask("federation configure --as fed:lab --name Labs --witness false --key lab.key");
    let lab = office.ask("federation show fed:lab");
    assert_eq!(
        (&lab["name"], &lab["min_team_count"]),
        (&"Labs".into(), &1.into()),
        "what is not given stays"
    );
    assert_eq!(lab["requires_external_witness"], false);
    office.ask("federation add-team desk --member desk.pub --as fed:lab --key lab.key --key desk.key");
    office.ask("federation disable-team desk --as fed:lab --key lab.key");
    office.ask("federation enable-team desk --as fed:lab --key lab.key");
    office.ask("federation add-keys eva.pub --threshold 2 --as fed:lab --key lab.key --key eva.key");
    office.ask(
        "federation rotate-key eva.pub eva-2027.pub --grace 7 --as fed:lab --key eva.key --key eva-2027.key",
    );
    let lab = office.ask("federation show fed:lab");
    assert_eq!((&lab["threshold"], lab["admin_keys"].as_array().unwrap().len()), (&2.into(), 2));
    office.refuses(
        "federation rotate-key eva.pub ana.pub --as fed:lab --key eva.key --key ana.key",
        "was rotated or revoked",
    );
    office
        .ask("federation add-attestors ana.pub --as fed:lab --key lab.key --key eva-2027.key --key ana.key");
    office.ask("federation revoke-key ana.pub --grace 1 --as fed:lab --key lab.key --key eva-2027.key");
    office.ask("trust establish fed:press --as fed:lab --relationship none --no-witness --key lab.key --key eva-2027.key");
    office.ask("trust set fed:press 3000 --as fed:lab --key lab.key --key eva-2027.key");
    let trust = office.ask("trust show --of fed:lab");
    assert_eq!(
        (&trust["trust"][0]["score"], &trust["trust"][0]["witness_allowed"]),
        (&3_000.into(), &false.into())
    );

    // A proposal that is taken back, and one that is rejected.
    let propose = "proposal create --as fed:press --team board --affects fed:lab --action data.share \
                   --description raw --key press.key --key press-board.key";
    let id = office.ask(propose)["proposal"].as_str().unwrap().to_owned();
    office.ask(&format!("proposal withdraw {id} --as fed:press --key press.key"));
    let id = office.ask(propose)["proposal"].as_str().unwrap().to_owned();
    office.ask(&format!("proposal reject {id} --as fed:lab --key lab.key --key eva-2027.key"));
    let proposals = office.ask("proposal list --by fed:press");
    let statuses: Vec<_> = proposals["proposals"].as_array().unwrap().iter().map(|p| &p["status"]).collect();
    assert_eq!(statuses, ["rejected", "withdrawn"], "the newest first");
    office.ask("federation dissolve --as fed:press --key press.key");
    office.refuses(
        "federation add-team x --member eva.pub --as fed:press --key press.key",
        "fed:press is dissolved",
    );
}

#[test]
fn founders_speak_with_their_nodes_and_change_the_policy() {
    let office = Office::open();
    let council = &office.council;
    let node = |member: usize| jurat_tests::path(&council.members()[member].dir).to_owned();
    office.make_keys(&["a", "b", "c", "w"]);
    // Founders have no teams; three of them with one each are a quorum of the council.
    for (member, team) in [(0, "a"), (1, "b"), (2, "c")] {
        let (name, dir) = (&council.members()[member].name, node(member));
        let by = format!("--as fed:{name} --key {dir}");
        office.ask(&format!("federation configure {by} --min-teams 1 --witness false"));
        office.ask(&format!("federation add-team board --member {team}.pub {by} --key {team}.key"));
    }
    let [first, second, third] = [0, 1, 2].map(|member| &council.members()[member].name);
    let propose = |affects: &str| {
        format!(
            "proposal create --as fed:{first} --team board {affects} --set-policy trust.success-step=250 \
             --description slower --key {} --key a.key",
            node(0)
        )
    };
    office.refuses(&propose(&format!("--affects fed:{second}")), "needs 3 federations of the council");
    let id =
        office.ask(&propose(&format!("--affects fed:{second} --affects fed:{third}")))["proposal"].clone();
    let id = id.as_str().unwrap();
    let shown = office.run(&format!("proposal show {id} --node {}", council.url(0)));
    assert!(shown.stdout.contains("the registry's policy has trust.success-step = 250"), "{shown:?}");
    for (member, team) in [(0, "a"), (1, "b"), (2, "c")] {
        let (name, dir) = (&council.members()[member].name, node(member));
        office
            .ask(&format!("proposal approve {id} --as fed:{name} --team board --key {dir} --key {team}.key"));
    }
    assert_eq!(office.ask("registry show")["policy"]["trust.success-step"], 250);
    assert_eq!(office.ask(&format!("proposal show {id}"))["outcome"], "done");
    let obeyed =
        "proposal create --as fed:x --team board --action policy.set --description x --sign-only x.json";
    let obeyed = office.run(obeyed);
    assert_eq!(obeyed.code, Some(2));
    assert!(obeyed.stderr.contains("see the options for it"), "{obeyed:?}");
}
