//! `docs/registry.md`: every command in it, in its order.

use std::process::Command;

use jurat_tests::{binary, finish, path};

use crate::Office;

const PAGE: &str = include_str!("../../../docs/registry.md");

#[test]
fn every_command_of_the_tutorial_does_what_it_says() {
    let office = Office::open();
    let policy = std::fs::read(office.council.policy_path()).unwrap();
    std::fs::write(office.keys.join("council.policy"), policy).unwrap();
    let blocks = PAGE.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap());
    let script: String = blocks.collect();
    assert!(script.lines().count() > 40, "{script}");
    let programs = binary().parent().unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-euxc", &script]).current_dir(&office.keys);
    shell.env("NODE", office.council.url(0));
    shell.env("PATH", format!("{}:{}", path(programs), std::env::var("PATH").unwrap()));
    let finished = finish(shell);
    assert_eq!(finished.code, Some(0), "{}\n{}", finished.stdout, finished.stderr);
    for words in
        ["fed:lab registers as \"The laboratory\"", "witness      fed:court", "as the council certified"]
    {
        assert!(finished.stdout.contains(words), "{words}: {}", finished.stdout);
    }
    assert!(std::fs::read_to_string(office.keys.join("trust.svg")).unwrap().starts_with("<svg "));
}
