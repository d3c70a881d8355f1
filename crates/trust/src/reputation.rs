//! Reputation: what those who know a federation make of it, taken together.

use crate::{
    FederationId, Parameter, Registry, Rejection, Score, Status, federation::Federation, table::Index,
};

impl Registry {
    /// The weighted mean of the scores that active federations give it, rounded down, each weighted
    /// with 1 and its successful interactions up to 100. Who is in a flagged pair with it does not
    /// count. A half where nobody does.
    pub fn reputation(&self, federation: &FederationId) -> Result<Score, Rejection> {
        self.find(federation).map(|index| self.reputation_of(index))
    }

    pub(crate) fn reputation_of(&self, index: Index<Federation>) -> Score {
        let most = self.policy.value(Parameter::WEIGHED_SUCCESSES);
        let (mut sum, mut weights) = (0_u64, 0_u64);
        for trust in &self.indexes.links[index.place()].trusted_by {
            let trust = self.trusts.at(*trust);
            if trust.relationship.counts()
                && self.federations.at(trust.source).status == Status::Active
                && !self.flags(trust.source, index)
            {
                let weight = 1 + u64::from(trust.successful.min(most));
                sum += weight * u64::from(trust.score.basis_points());
                weights += weight;
            }
        }
        let mean = sum.checked_div(weights).map(Score::at_most_one);
        mean.unwrap_or_else(|| self.policy.score(Parameter::UNKNOWN_REPUTATION))
    }
}
