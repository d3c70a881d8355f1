//! What an operator puts into a node's directory: `genesis.json` and `node.toml`.

use jurat::{core::Genesis, runtime::Config};
use jurat_bulletin::WorkRules;
use jurat_crypto::WorkFunction;
use jurat_pbft::quorum;

use super::{Seed, fixtures, seed};

pub(super) fn genesis(input: &[u8]) -> Option<()> {
    let genesis: Genesis = serde_json::from_slice(input).ok()?;
    let written = serde_json::to_string(&genesis).expect("a genesis can be written");
    let again: Genesis = serde_json::from_str(&written).expect("what was written can be read");
    assert_eq!(again, genesis);
    assert_eq!(again.network(), genesis.network());
    // A genesis that was accepted can be run.
    genesis.council().expect("a council");
    genesis.registry().expect("a registry");
    let policy = genesis.policy(&[]).expect("a policy");
    assert_eq!(policy.fewest_cosignatures(), quorum(genesis.members().len()));
    assert_eq!(policy.council_weakness(), None);
    Some(())
}

pub(super) fn genesis_seeds() -> Vec<Seed> {
    let genesis = fixtures::genesis();
    let alone = Genesis::new(genesis.origin().clone(), genesis.members()[..1].to_vec()).expect("a genesis");
    let work = WorkRules { function: WorkFunction::Equihash, ..WorkRules::default() };
    let open = Genesis::with_work(genesis.origin().clone(), genesis.members().to_vec(), work);
    let open = open.expect("a genesis");
    let json = |genesis| serde_json::to_vec_pretty(genesis).expect("a genesis can be written");
    vec![seed("four", json(genesis)), seed("alone", json(&alone)), seed("equihash", json(&open))]
}

pub(super) fn node(input: &[u8]) -> Option<()> {
    let config: Config = toml::from_slice(input).ok()?;
    let written = toml::to_string(&config).expect("a configuration can be written");
    assert_eq!(toml::from_str::<Config>(&written).as_ref(), Ok(&config));
    Some(())
}

pub(super) fn node_seeds() -> Vec<Seed> {
    let short = r#"name = "ada"
[http]
listen = "127.0.0.1:7800"
[peer]
listen = "[::1]:7900"
"#;
    let long = r#"name = "ada"
genesis = "genesis.json"
key = "node.key"
data = "data"

[http]
listen = "0.0.0.0:80"
max_connections = 7
receipt_timeout = 1
no_quorum_timeout = 2

[peer]
listen = "127.0.0.1:7900"
[peer.addresses]
ben = "ben.example:7900"
"cyd" = "127.0.0.1:1"

[log]
level = "jurat=debug"
format = "json"
"#;
    vec![seed("short", short), seed("long", long)]
}
