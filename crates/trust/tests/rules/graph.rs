//! The picture shows what there is, and nothing in an id can break it.

use jurat_trust::{Act, FederationId, Operation, Relationship, Status};

use crate::world::{World, fed, registration, score, signed, trust};

fn picture() -> World {
    let mut world = World::new();
    for (source, target, points) in [
        ("a", "b", 5_000),
        ("b", "a", 3_000),
        ("a", "c", 1_000),
        ("e", "f", 4_000),
        ("f", "e", 4_500),
        ("d", "a", 2_000),
    ] {
        world.run(source, trust(target, points)).unwrap();
    }
    for _ in 0..2 {
        world.propose("e", &["f"]).unwrap();
    }
    world
}

#[test]
fn arrows_scores_and_flags_are_in_all_three_forms() {
    let world = picture();
    let graph = world.registry.trust_graph();
    assert_eq!(graph.federations.len(), 6);
    assert_eq!(graph.trust.len(), 6);
    let flagged: Vec<_> = graph.trust.iter().filter(|trust| trust.flagged).collect();
    assert_eq!(flagged.len(), 2);
    assert!(flagged.iter().all(|trust| [fed("e"), fed("f")].contains(&trust.source)));
    let (dot, svg, json) = (graph.to_dot(), graph.to_svg(), serde_json::to_value(&graph).unwrap());
    assert_eq!(dot.matches(" -> ").count(), 6);
    assert!(dot.contains("\"fed:e\" -> \"fed:f\" [label=\"4000\", penwidth=2.2, color=\"#c62828\""));
    assert_eq!(svg.matches("<title>fed:a to fed:b: trusted, 5000</title>").count(), 1);
    assert_eq!(svg.matches("stroke-dasharray").count(), 2);
    assert_eq!(json["trust"][0]["score"], 5_000);
    assert_eq!(
        (world.registry.trust_graph().to_svg(), picture().registry.trust_graph().to_dot()),
        (svg, dot)
    );
}

#[test]
fn who_is_gone_and_what_has_ended_is_not_shown() {
    let mut world = picture();
    world.run("d", Act::Dissolve).unwrap();
    let end = Act::EstablishTrust {
        target: fed("c"),
        relationship: Relationship::None,
        witness_allowed: false,
        score: score(0),
    };
    world.run("a", end).unwrap();
    let graph = world.registry.trust_graph();
    assert_eq!((graph.federations.len(), graph.trust.len()), (5, 4));
    assert!(graph.federations.iter().all(|federation| federation.status == Status::Active));
}

#[test]
fn an_id_of_markup_stays_text() {
    let mut world = World::new();
    let federation = FederationId::new("</text><script>\"\\&'").unwrap();
    let act = Act::Register(registration("x"));
    let operation = Operation { federation, sequence: 1, act };
    let keys = World::signers("x", &operation.act);
    world.apply(&signed(operation, &keys)).unwrap();
    let svg = world.registry.trust_graph().to_svg();
    assert!(!svg.contains("<script>") && svg.contains("&lt;script&gt;&quot;\\&amp;&#39;"));
    assert!(world.registry.trust_graph().to_dot().contains("\"</text><script>\\\"\\\\&'\""));
}
