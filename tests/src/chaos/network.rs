//! A network for each node: a namespace with one end of a cable, the other end in a bridge.
//!
//! Clients are where the bridge is and reach every node at any time; only the ways between nodes are
//! cut and made thin.

use std::{
    net::{IpAddr, Ipv4Addr},
    process::Command,
};

use crate::council::Place;

/// Where the bridge itself is in the nodes' network.
const BRIDGE: &str = "10.77.0.254/24";
/// Nobody's hardware address: what is sent there, nobody takes.
const NOBODY: &str = "02:00:00:00:00:00";

/// The networks of a council. They are gone when the run's own namespaces are.
#[derive(Debug)]
pub(super) struct Network {
    members: usize,
    has_netem: bool,
}

impl Network {
    /// Builds it; only in a network and a mount namespace of the run's own.
    pub(super) fn build(members: usize) -> Self {
        // `ip` keeps names for namespaces there; these stay the run's own.
        tool("mount", "-t tmpfs tmpfs /var/run");
        ip("link set lo up");
        ip("link add name hub type bridge");
        ip(&format!("addr add {BRIDGE} dev hub"));
        ip("link set hub up");
        for member in 0..members {
            let (name, address) = (name(member), address(member));
            ip(&format!("netns add {name}"));
            ip(&format!("link add name port-{member} type veth peer name eth0 netns {name}"));
            ip(&format!("link set port-{member} master hub up"));
            ip(&format!("-n {name} link set lo up"));
            ip(&format!("-n {name} addr add {address}/24 dev eth0"));
            ip(&format!("-n {name} link set eth0 up"));
        }
        let mut network = Self { members, has_netem: true };
        network.has_netem = try_tool("tc", &network.thin_line(0)).is_ok();
        network.heal();
        network
    }

    /// Where the members' nodes run.
    pub(super) fn places(&self) -> Vec<Place> {
        let place = |member| Place {
            address: IpAddr::V4(address(member)),
            under: vec!["nsenter".into(), format!("--net=/var/run/netns/{}", name(member))],
        };
        (0..self.members).map(place).collect()
    }

    /// Whether the kernel can delay and lose packets one by one.
    pub(super) const fn has_netem(&self) -> bool {
        self.has_netem
    }

    /// Whatever one node sends to another vanishes from now on; not what comes back.
    #[expect(clippy::unused_self, reason = "only a network that was built can be cut")]
    pub(super) fn cut(&self, from: usize, to: usize) {
        let (from, to) = (name(from), address(to));
        // A neighbour that no answer can correct. Silent, as a broken cable is: a missing route
        // would be told to the sender.
        ip(&format!("-n {from} neigh replace {to} lladdr {NOBODY} dev eth0 nud permanent"));
    }

    /// Delays and loses what a node sends: packets one by one if the kernel can, else by a line so
    /// slow that they queue and overflow.
    pub(super) fn make_thin(&self, member: usize) {
        tool("tc", &self.thin_line(member));
    }

    fn thin_line(&self, member: usize) -> String {
        let how = if self.has_netem {
            "netem delay 40ms 20ms loss 3%"
        } else {
            "tbf rate 1mbit burst 8kb latency 200ms"
        };
        format!("-n {} qdisc replace dev eth0 root {how}", name(member))
    }

    /// Undoes all cuts and thin lines.
    pub(super) fn heal(&self) {
        for member in 0..self.members {
            ip(&format!("-n {} neigh flush nud permanent dev eth0", name(member)));
            // Fails where there is none.
            let _ = try_tool("tc", &format!("-n {} qdisc del dev eth0 root", name(member)));
        }
    }
}

fn name(member: usize) -> String {
    format!("node-{}", member + 1)
}

fn address(member: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 77, 0, u8::try_from(member + 1).expect("few members"))
}

fn ip(arguments: &str) {
    tool("ip", arguments);
}

/// Runs a system tool that must succeed.
#[track_caller]
pub(super) fn tool(program: &str, arguments: &str) {
    if let Err(error) = try_tool(program, arguments) {
        panic!("{program} {arguments}: {error}");
    }
}

/// Runs a system tool; what it says if it fails.
pub(super) fn try_tool(program: &str, arguments: &str) -> Result<(), String> {
    let output = Command::new(program).args(arguments.split(' ')).output();
    let output = output.map_err(|error| error.to_string())?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}
