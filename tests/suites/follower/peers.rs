//! The peers of a followed log: named by the operator or a manifest, their health written down, the file
//! damaged, and a wish for quiet that outlives a restart.

use std::{fs, path::PathBuf};

use jurat_crypto::{Digest, KeyName, NetworkId, SignatureType, SigningKey, Vkey};
use jurat_gossip::{Address, BootstrapManifest, Role};
use jurat_log::UnixSeconds;
use jurat_tests::{Council, Finished, jurat, path, until, until_true};
use serde_json::Value;

use super::{Follower, attest, liars::Liar};

impl Follower {
    fn peer(&self, arguments: &[&str]) -> Finished {
        let dir = self.path();
        jurat(["peer", arguments[0], path(&dir)].iter().chain(&arguments[1..]).chain(&["--json"]))
    }

    fn peers(&self) -> Vec<Value> {
        self.peer(&["list"]).success().json_lines()
    }

    fn peer_file(&self, origin: &str) -> PathBuf {
        self.path().join("mirrors").join(Digest::of(origin.as_bytes()).to_string()).join("peers")
    }

    fn sources(&self) -> Vec<String> {
        let status = self.status();
        let sources = status["following"]["sources"].as_array().unwrap();
        sources.iter().map(|source| source["source"].as_str().unwrap().to_owned()).collect()
    }
}

#[test]
fn peers_come_and_go_and_how_they_fare_is_written_down() {
    let council = Council::start();
    attest(&council, 0..5);
    let (first, second) = (council.url(0), council.url(1));
    let mut follower = Follower::of(&council, &[&first]);
    follower.start();
    follower.until_size(5);
    let added =
        follower.peer(&["add", &second, "--role", "seed", "--transport", "loopback"]).success().json_lines();
    assert_eq!(added.len(), 2, "{added:?}");
    until_true("the new peer to be asked", || follower.sources() == [first.clone(), second.clone()]);
    council.kill(0);
    until("its failures to be written down", || {
        let peers = follower.peers();
        let (bad, good) = (&peers[0], &peers[1]);
        assert_eq!((&bad["address"], &good["address"]), (&Value::from(&*first), &Value::from(&*second)));
        let is = bad["failures"].as_u64() >= Some(1) && good["last_sync_ok"].is_string();
        let lag = good["lag"] == 0;
        let next = bad["next_try"].is_string() && bad["last_error"].as_str().is_some();
        if is && lag && next { Ok(()) } else { Err(format!("{peers:?}\n{}", follower.log())) }
    });
    // Submissions go where the operator says.
    assert_eq!(follower.submit("a file").0, 200);
    follower.peer(&["add", &first, "--bucket", "push"]).success();
    let mut count = 0;
    until_true("the only taker to be the dead one", || {
        count += 1;
        follower.submit(&format!("file number {count}")).0 == 503
    });
    follower.peer(&["remove", &first, "--bucket", "push"]).success();
    until_true("a submission to pass again", || follower.submit("another file").0 == 200);
    follower.peer(&["remove", &first]).success();
    assert_eq!(follower.peer(&["remove", &first]).code, Some(1));
    until_true("the peer to be gone", || follower.sources() == [second.clone()]);
    assert_eq!(follower.peer(&["remove", &second]).code, Some(2), "one source must stay");
    // What makes no sense is refused.
    for bad in ["ftp://x", "tcp://127.0.0.1:1", "http://127.1", "http://short.onion", "x"] {
        assert_eq!(follower.peer(&["add", bad]).code, Some(2), "{bad}");
    }
    assert_eq!(follower.peer(&["add", "http://a.example", "--transport", "onion"]).code, Some(2));
    assert_eq!(follower.peers().len(), 1);
}

#[test]
fn a_damaged_peer_file_is_set_aside_and_reported() {
    let council = Council::start();
    attest(&council, 0..5);
    let mut follower = Follower::of(&council, &[&council.url(0)]);
    follower.start();
    follower.until_size(5);
    let file = follower.peer_file(council.origin());
    until_true("the peers to be written", || file.exists());
    follower.kill();
    let mut bytes = fs::read(&file).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    fs::write(&file, &bytes).unwrap();
    let refused = follower.peer(&["list"]);
    assert_eq!(refused.code, Some(3), "{refused:?}");
    assert!(refused.stderr.contains("set aside as"), "{refused:?}");
    let aside = fs::read_dir(file.parent().unwrap()).unwrap().flatten().map(|entry| entry.path());
    let aside: Vec<PathBuf> =
        aside.filter(|path| path.to_string_lossy().contains("peers.damaged-")).collect();
    assert_eq!(fs::read(&aside[0]).unwrap(), bytes);
    // The log is read from its sources meanwhile, and the alarm stays until the operator removes the file.
    follower.start();
    attest(&council, 5..6);
    follower.until_size(6);
    let alarms = follower.status()["alarms"].to_string();
    assert!(alarms.contains("set aside"), "{alarms}");
    assert_eq!(follower.doctor().code, Some(1));
    fs::remove_file(&aside[0]).unwrap();
    until_true("the alarm to end", || follower.status()["alarms"] == Value::Array(Vec::new()));
    follower.doctor().success();
}

#[test]
fn a_manifest_counts_only_if_it_is_signed_in_time_for_this_network_and_unaltered() {
    let council = Council::start();
    attest(&council, 0..5);
    let mut follower = Follower::of(&council, &[&council.url(0)]);
    let (name, key) = (KeyName::new("seeds.example").unwrap(), SigningKey::from_seed(&[9; 32]));
    let stranger = SigningKey::from_seed(&[8; 32]);
    let vkey =
        |key: &SigningKey| Vkey::new(name.clone(), SignatureType::Ed25519, key.verifying_key()).to_string();
    let network = council.network();
    let address = |text: &str| text.parse::<Address>().unwrap();
    let peers = vec![
        (address(&council.url(1)), Role::Seed),
        (address("http://far.example"), Role::Relay),
        (address("tcp://127.0.0.1:4"), Role::Participant),
    ];
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let manifest = |network: NetworkId, from: u64, until: u64, key: &SigningKey| {
        let seconds = |value| UnixSeconds::new(value).unwrap();
        let made = BootstrapManifest::new(network, seconds(from), seconds(until), peers.clone()).unwrap();
        made.sign(name.clone(), key).unwrap().to_string()
    };
    let good = manifest(network, now - 60, now + 3_600, &key);
    let file = follower.path().join("manifest");
    let id = network.0.to_string();
    let import = |text: &str, signer: &str| {
        fs::write(&file, text).unwrap();
        follower.peer(&["import", path(&file), "--signer", signer, "--network", &id])
    };
    for (bad, said) in [
        (manifest(network, now - 7_200, now - 1, &key), "expired"),
        (manifest(network, now + 7_200, now + 9_000, &key), "future"),
        (manifest(NetworkId(Digest::of(b"another")), now - 60, now + 60, &key), "of the network"),
        (manifest(network, now - 60, now + 60, &stranger), "not by a trusted key"),
        (good.replace("far.example", "fad.example"), "not by a trusted key"),
        (good.replace("clearnet http://far", "loopback http://far"), "not by a trusted key"),
        ("nothing".into(), "not a signed note"),
    ] {
        let refused = import(&bad, &vkey(&key));
        assert!(refused.code == Some(1) && refused.stderr.contains(said), "{said}: {refused:?}");
    }
    assert_eq!(import(&good, &vkey(&stranger)).code, Some(1));
    assert_eq!(follower.peers().len(), 1, "something of a bad manifest was taken");
    let imported = import(&good, &vkey(&key)).success().json();
    assert_eq!((&imported["new"], &imported["used"][0]), (&3.into(), &council.url(1).into()));
    assert_eq!(imported["unused"].as_array().unwrap().len(), 2, "{imported}");
    assert_eq!(import(&good, &vkey(&key)).success().json()["new"], 0);
    follower.start();
    until_true("the peer to be asked", || follower.sources() == [council.url(0), council.url(1)]);
    follower.until_size(5);
    let shown = follower.peers();
    assert_eq!(shown.iter().filter(|peer| peer["bucket"] == "bootstrap").count(), 3);
    let promoted = shown.iter().find(|peer| peer["source"] == "bootstrap_promoted").unwrap();
    assert_eq!((&promoted["address"], &promoted["role"]), (&council.url(1).into(), &"seed".into()));
}

#[test]
fn a_wish_for_quiet_outlives_a_restart() {
    let council = Council::found();
    let liar = Liar::start();
    liar.says("429 Too Many Requests\r\nRetry-After: 600", "");
    liar.reads_too();
    let mut follower = Follower::of(&council, &[&liar.url]);
    follower.start();
    until_true("the wish to be written down", || {
        follower.peers()[0]["last_error"].as_str().is_some_and(|error| error.contains("429"))
    });
    let next = follower.peers()[0]["next_try"].clone();
    let asked = liar.asked();
    follower.kill();
    follower.start();
    until_true("the follower to know of it", || {
        follower.status()["following"]["sources"][0]["last_error"].is_string()
    });
    assert_eq!((liar.asked(), &follower.peers()[0]["next_try"]), (asked, &next));
}
