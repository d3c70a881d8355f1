//! Quorum rules: which sets of witnesses are strong enough (C2SP tlog-policy, "Defining the
//! quorum"), and how strong a rule is.

use alloc::vec::Vec;

/// What a group or the quorum refers to, by position in the policy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Member {
    Witness(usize),
    /// A group that is defined before the one that refers to it.
    Group(usize),
}

/// At least `threshold` of the members, 1 to all of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Group {
    pub(crate) threshold: usize,
    pub(crate) members: Vec<Member>,
}

/// Witnesses that must have cosigned. Each witness and group is a member of at most one group, so
/// the rule is a tree and a witness counts in one place only.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct QuorumRule {
    pub(crate) groups: Vec<Group>,
    /// `None` is `quorum none`: no cosignature is needed.
    pub(crate) top: Option<Member>,
}

impl QuorumRule {
    /// How many more witnesses have to cosign, at least; 0 when the quorum is met.
    pub(crate) fn missing(&self, cosigned: impl Fn(usize) -> bool) -> usize {
        self.sum_of_least(|witness| usize::from(!cosigned(witness)), |group| group.threshold)
    }

    /// How many of the witnesses that the quorum refers to have cosigned.
    pub(crate) fn counted(&self, cosigned: impl Fn(usize) -> bool) -> usize {
        self.sum_of_least(|witness| usize::from(cosigned(witness)), |group| group.members.len())
    }

    /// The size of the smallest quorum.
    pub(crate) fn fewest(&self) -> usize {
        self.missing(|_| false)
    }

    /// How many witnesses any two quorums have in common, at least.
    ///
    /// Two choices of k among n members share 2k - n of them, and within each shared member again
    /// what two of its quorums share.
    pub(crate) fn overlap(&self) -> usize {
        self.sum_of_least(|_| 1, |group| (2 * group.threshold).saturating_sub(group.members.len()))
    }

    /// Gives each witness a value and each group the sum of its `taken` least members' values;
    /// returns the value of the quorum. Groups refer to earlier ones, so one pass is enough and
    /// no depth of nesting costs stack.
    fn sum_of_least(&self, witness: impl Fn(usize) -> usize, taken: impl Fn(&Group) -> usize) -> usize {
        let mut values: Vec<usize> = Vec::with_capacity(self.groups.len());
        let value = |member: &Member, values: &[usize]| match member {
            Member::Witness(position) => witness(*position),
            Member::Group(position) => values[*position],
        };
        for group in &self.groups {
            let mut members: Vec<usize> = group.members.iter().map(|member| value(member, &values)).collect();
            members.sort_unstable();
            values.push(members.iter().take(taken(group)).sum());
        }
        self.top.map_or(0, |member| value(&member, &values))
    }
}

/// How many of `members` a council needs to decide: ceil((n + f + 1) / 2), where f = floor((n - 1)
/// / 3) members may be faulty. Any two such quorums share a member that is not.
#[must_use]
pub const fn council_quorum(members: usize) -> usize {
    (members + council_faults(members) + 1).div_ceil(2)
}

/// How many of `members` may be faulty without harm: floor((n - 1) / 3).
#[must_use]
pub const fn council_faults(members: usize) -> usize {
    members.saturating_sub(1) / 3
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use proptest::prelude::*;

    use super::*;

    /// A rule over up to eight witnesses: some in two inner groups, the rest and those in an outer
    /// one.
    fn rules() -> impl Strategy<Value = (QuorumRule, usize)> {
        (1_usize..4, 1_usize..4, 0_usize..3, any::<[prop::sample::Index; 3]>()).prop_map(
            |(left, right, outer, thresholds)| {
                let group = |members: Vec<Member>, threshold: usize| {
                    let threshold = thresholds[threshold].index(members.len()) + 1;
                    Group { threshold, members }
                };
                let witnesses =
                    |range: core::ops::Range<usize>| range.map(Member::Witness).collect::<Vec<_>>();
                let count = left + right + outer;
                let mut members = witnesses(left + right..count);
                members.extend([Member::Group(0), Member::Group(1)]);
                let groups = vec![
                    group(witnesses(0..left), 0),
                    group(witnesses(left..left + right), 1),
                    group(members, 2),
                ];
                (QuorumRule { groups, top: Some(Member::Group(2)) }, count)
            },
        )
    }

    proptest! {
        /// Against trying all sets of witnesses.
        #[test]
        fn strength_is_that_of_the_weakest_quorums((rule, count) in rules(), cosigned: u8) {
            let quorums: Vec<u8> = (0..=u8::MAX)
                .filter(|set| u32::from(*set) >> count == 0)
                .filter(|set| rule.missing(|witness| set >> witness & 1 == 1) == 0)
                .collect();
            let ones = |set: u8| set.count_ones() as usize;
            prop_assert_eq!(Some(rule.fewest()), quorums.iter().map(|set| ones(*set)).min());
            let pairs = quorums.iter().flat_map(|a| quorums.iter().map(move |b| a & b));
            prop_assert_eq!(Some(rule.overlap()), pairs.map(ones).min());
            let further = quorums.iter().map(|set| ones(set & !cosigned)).min();
            prop_assert_eq!(Some(rule.missing(|witness| cosigned >> witness & 1 == 1)), further);
        }
    }

    /// A council's quorum is the least k for which two choices of k share more than f members.
    #[test]
    fn a_council_quorum_is_the_least_with_an_honest_member_in_common() {
        for members in 1..200 {
            let (quorum, faults) = (council_quorum(members), council_faults(members));
            let shared = |quorum: usize| (2 * quorum).saturating_sub(members);
            assert!(shared(quorum) > faults && shared(quorum - 1) <= faults, "{members}");
        }
        assert_eq!([1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map(council_quorum), [1, 2, 2, 3, 4, 4, 5, 6, 6, 7]);
    }
}
