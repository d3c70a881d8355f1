//! The requests that wait to be ordered, in the order in which this replica learned of them.

use alloc::{collections::BTreeMap, vec::Vec};

use crate::RequestDigest;

/// Requests that are held here and not executed yet.
#[derive(Clone, Hash, Debug, Default)]
pub(crate) struct Requests {
    by_arrival: BTreeMap<u64, Waiting>,
    arrivals: BTreeMap<RequestDigest, u64>,
    next_arrival: u64,
    executed: u64,
    /// Bytes of bodies of the requests that are not proposed.
    unproposed_bytes: usize,
    unproposed: usize,
}

#[derive(Clone, Hash, Debug)]
struct Waiting {
    digest: RequestDigest,
    size: usize,
    /// When it arrived, or when the current view began if that was later.
    since: u64,
    /// How many requests must have executed before this one counts as overtaken.
    overtaken_at: u64,
    proposed: bool,
}

impl Requests {
    /// Adds a request; `slack` is how many later ones may overtake it before it counts as starved.
    /// Says whether it was new.
    pub(crate) fn insert(&mut self, digest: RequestDigest, size: usize, now: u64, slack: usize) -> bool {
        if self.arrivals.contains_key(&digest) {
            return false;
        }
        let arrival = self.next_arrival;
        self.next_arrival += 1;
        let overtaken_at = self.executed + (self.by_arrival.len() + slack) as u64;
        self.arrivals.insert(digest, arrival);
        self.by_arrival.insert(arrival, Waiting { digest, size, since: now, overtaken_at, proposed: false });
        self.unproposed += 1;
        self.unproposed_bytes += size;
        true
    }

    pub(crate) fn contains(&self, digest: &RequestDigest) -> bool {
        self.arrivals.contains_key(digest)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_arrival.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_arrival.is_empty()
    }

    pub(crate) fn unproposed(&self) -> usize {
        self.unproposed
    }

    pub(crate) fn unproposed_bytes(&self) -> usize {
        self.unproposed_bytes
    }

    /// Takes the oldest requests that are in no proposal, and marks them as proposed.
    pub(crate) fn take(&mut self, max_requests: usize, max_bytes: usize) -> Vec<RequestDigest> {
        let mut taken = Vec::new();
        let mut bytes = 0;
        for waiting in self.by_arrival.values_mut().filter(|waiting| !waiting.proposed) {
            if taken.len() == max_requests || (bytes + waiting.size > max_bytes && !taken.is_empty()) {
                break;
            }
            bytes += waiting.size;
            waiting.proposed = true;
            taken.push(waiting.digest);
        }
        self.unproposed -= taken.len();
        self.unproposed_bytes -= bytes;
        taken
    }

    /// Marks a request as part of a proposal that was accepted.
    pub(crate) fn mark_proposed(&mut self, digest: &RequestDigest) {
        if let Some(waiting) = self.arrivals.get(digest).and_then(|arrival| self.by_arrival.get_mut(arrival))
            && !waiting.proposed
        {
            waiting.proposed = true;
            self.unproposed -= 1;
            self.unproposed_bytes -= waiting.size;
        }
    }

    /// Forgets all proposals, as a new view does, and starts every request's wait afresh.
    pub(crate) fn begin_view(&mut self, now: u64) {
        self.unproposed = self.by_arrival.len();
        self.unproposed_bytes = 0;
        for waiting in self.by_arrival.values_mut() {
            waiting.proposed = false;
            waiting.since = now;
            self.unproposed_bytes += waiting.size;
        }
    }

    /// Forgets all requests: which of them wait is not known any more.
    pub(crate) fn clear(&mut self) {
        self.by_arrival.clear();
        self.arrivals.clear();
        (self.unproposed, self.unproposed_bytes) = (0, 0);
    }

    /// Removes an executed request.
    pub(crate) fn remove(&mut self, digest: &RequestDigest) {
        self.executed += 1;
        if let Some(waiting) =
            self.arrivals.remove(digest).and_then(|arrival| self.by_arrival.remove(&arrival))
            && !waiting.proposed
        {
            self.unproposed -= 1;
            self.unproposed_bytes -= waiting.size;
        }
    }

    /// Since when the oldest request waits, if many that came after it were executed: the primary
    /// leaves it out.
    pub(crate) fn starved_since(&self) -> Option<u64> {
        let (_, oldest) = self.by_arrival.first_key_value()?;
        (self.executed > oldest.overtaken_at).then_some(oldest.since)
    }
}

#[cfg(test)]
mod tests {
    use jurat_crypto::Digest;

    use super::*;

    fn digest(i: u64) -> RequestDigest {
        RequestDigest(Digest::of(&i.to_be_bytes()))
    }

    #[test]
    fn requests_leave_in_the_order_they_came_within_both_limits() {
        let mut requests = Requests::default();
        for i in 0..10 {
            assert!(requests.insert(digest(i), 10, i, 0));
            assert!(!requests.insert(digest(i), 10, i, 0));
        }
        assert_eq!(requests.take(3, 1000), (0..3).map(digest).collect::<Vec<_>>());
        assert_eq!(requests.take(9, 25), (3..5).map(digest).collect::<Vec<_>>());
        assert_eq!(requests.take(9, 1), vec![digest(5)], "one that is too large goes alone");
        assert_eq!((requests.unproposed(), requests.unproposed_bytes()), (4, 40));
        requests.remove(&digest(0));
        requests.begin_view(99);
        assert_eq!(requests.take(100, 1000), (1..10).map(digest).collect::<Vec<_>>());
    }

    #[test]
    fn a_request_is_starved_once_too_many_overtook_it() {
        let mut requests = Requests::default();
        requests.insert(digest(0), 1, 7, 2);
        for i in 1..=3 {
            assert_eq!(requests.starved_since(), None);
            requests.insert(digest(i), 1, 7, 2);
            requests.remove(&digest(i));
        }
        assert_eq!(requests.starved_since(), Some(7));
    }
}
