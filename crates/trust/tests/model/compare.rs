//! Holds the registry against the model, record by record and answer by answer.

use jurat_trust::{
    Health, Outcome, Parameter, ProposalStatus, Registry, Relationship, Risk, Status as RealStatus,
};
use proptest::{prop_assert, prop_assert_eq, test_runner::TestCaseError};

use crate::{
    reference::{Model, Stand, Status},
    world::{fed, public},
};

type Same = Result<(), TestCaseError>;

pub(crate) fn everything(registry: &Registry, model: &Model) -> Same {
    records(registry, model)?;
    queries(registry, model)
}

pub(crate) fn records(registry: &Registry, model: &Model) -> Same {
    crate::moves::name_proposals(model);
    prop_assert_eq!(registry.time().0, model.time);
    prop_assert_eq!(registry.policy().value(Parameter::REFUSE), u32::from(model.refuse));
    for (name, expected) in &model.federations {
        let view = registry.federation(&fed(name)).unwrap();
        let status = match expected.status {
            Status::Active => RealStatus::Active,
            Status::Suspended => RealStatus::Suspended,
            Status::Dissolved => RealStatus::Dissolved,
        };
        prop_assert_eq!(view.status, status);
        prop_assert_eq!(view.created_at.0, expected.created);
        prop_assert_eq!(view.on_council, expected.council);
        prop_assert_eq!(view.operational, model.is_operational(name));
        prop_assert_eq!(usize::from(view.threshold), expected.threshold);
        prop_assert_eq!(view.settings.requires_external_witness, expected.witness);
        let active: Vec<_> = view.teams.iter().map(|team| team.active).collect();
        prop_assert_eq!(&active, &expected.teams);
        let mut keys: Vec<_> = view.admin_keys.iter().map(|key| key.0).collect();
        keys.sort_unstable();
        let in_use = model.keys.iter().filter(|(_, key)| key.federation == *name && key.team.is_none());
        let in_use = in_use.filter(|(_, key)| key.until.is_none());
        let mut expected: Vec<_> = in_use.map(|(label, _)| *public(label).as_bytes()).collect();
        expected.sort_unstable();
        prop_assert_eq!(keys, expected);
        rates(&view, name, model)?;
    }
    let size = registry.size();
    prop_assert_eq!(size.trusts as usize, model.trust.len());
    for ((source, target), expected) in &model.trust {
        let view = registry.trust(&fed(source), &fed(target)).unwrap();
        prop_assert_eq!(view.relationship, Relationship::ALL[usize::from(expected.relationship)]);
        prop_assert_eq!(view.witness_allowed, expected.witness);
        prop_assert_eq!(u64::from(view.score.basis_points()), expected.score);
        prop_assert_eq!((view.successful.into(), view.failed.into()), (expected.good, expected.bad));
        prop_assert_eq!(view.established_at.0, expected.established);
        prop_assert_eq!(view.last_interaction.map(|time| time.0), expected.last);
    }
    proposals(registry, model)
}

fn rates(view: &jurat_trust::FederationView, name: &str, model: &Model) -> Same {
    let made = || model.proposals.iter().filter(|proposal| proposal.by == name);
    prop_assert_eq!(view.proposal_count as usize, made().count());
    let approved = made().filter(|proposal| proposal.stand == Stand::Approved).count();
    let decided =
        made().filter(|proposal| !matches!(proposal.stand, Stand::Pending | Stand::Withdrawn)).count();
    let rate = (approved * 10_000).checked_div(decided).unwrap_or(5_000);
    prop_assert_eq!(usize::from(view.success_rate.basis_points()), rate);
    Ok(())
}

fn proposals(registry: &Registry, model: &Model) -> Same {
    prop_assert_eq!(registry.size().proposals as usize, model.proposals.len());
    for expected in &model.proposals {
        let view = registry.proposal(&expected.id).unwrap();
        let status = match expected.stand {
            Stand::Pending => ProposalStatus::Pending,
            Stand::Approved => ProposalStatus::Approved,
            Stand::Rejected => ProposalStatus::Rejected,
            Stand::Expired => ProposalStatus::Expired,
            Stand::Withdrawn => ProposalStatus::Withdrawn,
        };
        prop_assert_eq!(view.status, status);
        prop_assert_eq!(view.outcome == Outcome::Void, expected.void);
        let mut affected: Vec<_> = expected.affected.iter().map(|name| fed(name)).collect();
        let mut actual = view.affected;
        affected.sort_unstable();
        actual.sort_unstable();
        prop_assert_eq!(&actual, &affected);
        let approvals: Vec<_> = view.approvals.iter().map(|by| (by.federation.clone(), by.at.0)).collect();
        let expected_approvals: Vec<_> = expected.approvals.iter().map(|(by, at)| (fed(by), *at)).collect();
        prop_assert_eq!(approvals, expected_approvals);
        prop_assert_eq!(view.witnesses.len(), expected.witnesses.len());
        let requirements = registry.requirements(&expected.id).unwrap();
        prop_assert_eq!(requirements.missing.len(), affected.len() - expected.approvals.len());
        prop_assert_eq!(requirements.external_witness_needed, expected.needs_witness);
        prop_assert_eq!(requirements.external_witness_present, !expected.witnesses.is_empty());
        prop_assert!(!requirements.all_met || expected.stand != Stand::Pending);
    }
    Ok(())
}

pub(crate) fn queries(registry: &Registry, model: &Model) -> Same {
    let names: Vec<_> = model.federations.keys().collect();
    let mut rings = Vec::new();
    for (i, one) in names.iter().enumerate() {
        let reputation = registry.reputation(&fed(one)).unwrap();
        prop_assert_eq!(u64::from(reputation.basis_points()), model.reputation(one));
        eligible(registry, model, one)?;
        let report = registry.reciprocity_of(&fed(one)).unwrap();
        for (j, other) in names.iter().enumerate().filter(|(j, _)| *j != i) {
            let (mutual, all) = model.proposals_between(one, other, model.time);
            let given = model.approvals_by(one, other, model.time);
            let received = model.approvals_by(other, one, model.time);
            let row = report.iter().find(|row| row.partner == fed(other));
            prop_assert_eq!(row.is_some(), mutual + given + received > 0);
            if let Some(row) = row {
                let figures = row.figures;
                prop_assert_eq!((figures.mutual_proposals, figures.all_proposals), (mutual, all));
                prop_assert_eq!((figures.approvals_given, figures.approvals_received), (given, received));
                prop_assert_eq!(row.is_flagged(), model.flags(one, other));
            }
            let both = model.flags(one, other) && model.flags(other, one);
            let gone = [one, other].iter().any(|name| model.federations[**name].status == Status::Dissolved);
            if i < j && both && !gone {
                rings.push((fed(one), fed(other)));
            }
        }
        for proposal in &model.proposals {
            let risk = registry.approval_risk(&fed(one), &proposal.id).unwrap();
            let given = model.approvals_by(one, &proposal.by, model.time);
            let received = model.approvals_by(&proposal.by, one, model.time);
            let (low, high) = ((given + 1).min(received), (given + 1).max(received));
            let expected = match 100 * low {
                _ if **one == proposal.by => "none",
                _ if given + received < 5 => "low, not enough history",
                share if share > 70 * high => "high",
                share if share > 60 * high => "medium",
                _ => "low",
            };
            let actual = match risk {
                Risk::None => "none",
                Risk::LowNotEnoughHistory => "low, not enough history",
                Risk::High { .. } => "high",
                Risk::Medium { .. } => "medium",
                Risk::Low { .. } => "low",
            };
            prop_assert_eq!(actual, expected);
        }
    }
    let report = registry.collusion_report();
    prop_assert_eq!(report.health == Health::Healthy, rings.is_empty());
    prop_assert_eq!(report.rings, rings);
    Ok(())
}

fn eligible(registry: &Registry, model: &Model, proposer: &str) -> Same {
    let trusted = model.trust.iter().filter(|((source, _), _)| source == proposer);
    let trusted =
        trusted.filter(|(_, trust)| trust.relationship != 0 && trust.witness && trust.score >= 4_000);
    let trusted = trusted.filter(|((_, target), _)| model.is_active(target) && model.is_operational(target));
    let mut expected: Vec<_> =
        trusted.map(|((_, target), trust)| (10_000 - trust.score, fed(target))).collect();
    expected.sort_unstable();
    let actual = registry.eligible_witnesses(&fed(proposer), &[], None).unwrap();
    let actual: Vec<_> = actual
        .into_iter()
        .map(|witness| (10_000 - u64::from(witness.score.basis_points()), witness.federation))
        .collect();
    prop_assert_eq!(actual, expected);
    Ok(())
}
