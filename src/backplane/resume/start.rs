//! From where on a topic is owed to a client that comes back.

use super::{Since, Timeline};
use crate::backplane::GapReason;
use crate::event::{Id, Position};

/// Where the reading of a topic starts, and if that is nowhere, why.
pub type Start = Result<Id, GapReason>;

/// The later of what the client received last and of when the socket joined.
///
/// The stock client keeps its offset when it gets a fresh session, and in a session with recovery every event that it takes
/// an offset from carries one of this log. So an offset that is of no log of ours, or of an earlier one, is from before this
/// session, and the join is what counts; the same holds for a client that has none.
///
/// # Errors
/// With the reason why nothing can be proven from there.
pub fn start(offset: Option<&Position>, since: &Since, timeline: &Timeline) -> Start {
    let of_now = |position: &&Position| timeline.epoch.as_ref() == Some(&position.epoch);
    let offset_now = offset.filter(of_now).map(|position| position.id);
    let joined = match since {
        Since::At(position) if of_now(&position) => position.id,
        // There was nothing before it, and a log that began later is owed as a whole; but an event of another log may have come
        // in this session, and then there were two.
        Since::Nowhere if offset.is_some_and(|offset| !of_now(&offset) && offset.id != Id::ZERO) => {
            return Err(GapReason::Epoch);
        }
        Since::Nowhere => Id::ZERO,
        // An event of the present log has come since, and the change of logs was told before it.
        Since::At(_) => offset_now.ok_or(GapReason::Epoch)?,
        Since::Unknown => offset_now.ok_or(GapReason::Expired)?,
    };
    let start = joined.max(offset_now.unwrap_or(Id::ZERO));
    if timeline.holds(start) { Ok(start) } else { Err(GapReason::Fork) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Epoch;

    fn id(ms: u64) -> Id {
        Id { ms, seq: 1 << 20 }
    }

    fn position(epoch: &str, ms: u64) -> Position {
        Position { epoch: Epoch::new(epoch).unwrap(), id: id(ms) }
    }

    fn timeline() -> Timeline {
        let epoch = Epoch::new("now");
        Timeline { epoch, last: id(100), segments: vec![(1, Id::ZERO)], ..Timeline::empty(0, 0) }
    }

    fn starting(offset: Option<&Position>, since: &Since) -> Start {
        start(offset, since, &timeline())
    }

    #[test]
    fn the_later_of_offset_and_join_counts() {
        let joined = || Since::At(position("now", 40));
        assert_eq!(starting(Some(&position("now", 60)), &joined()), Ok(id(60)));
        assert_eq!(starting(Some(&position("now", 20)), &joined()), Ok(id(40)));
        assert_eq!(starting(None, &joined()), Ok(id(40)), "it never received an event");
        assert_eq!(starting(None, &Since::Nowhere), Ok(Id::ZERO));
    }

    #[test]
    fn two_logs_since_the_join_are_not_one() {
        assert_eq!(starting(Some(&position("former", 60)), &Since::Nowhere), Err(GapReason::Epoch));
        assert_eq!(starting(Some(&position("now", 60)), &Since::Nowhere), Ok(id(60)));
        let nowhere = crate::event::NOWHERE.parse().ok();
        assert_eq!(starting(nowhere.as_ref(), &Since::Nowhere), Ok(Id::ZERO));
    }

    #[test]
    fn an_offset_of_another_log_is_from_before_a_session_of_this_one() {
        assert_eq!(starting(Some(&position("former", 60)), &Since::At(position("now", 40))), Ok(id(40)));
        assert_eq!(starting(Some(&position("former", 60)), &Since::At(position("former", 40))), Err(GapReason::Epoch));
        assert_eq!(starting(Some(&position("now", 60)), &Since::At(position("former", 40))), Ok(id(60)));
    }

    #[test]
    fn an_offset_that_the_log_does_not_hold_is_a_fork() {
        assert_eq!(starting(Some(&position("now", 101)), &Since::At(position("now", 40))), Err(GapReason::Fork));
        let foreign = Position { id: Id { ms: 50, seq: 9 << 20 }, ..position("now", 50) };
        assert_eq!(starting(Some(&foreign), &Since::Nowhere), Err(GapReason::Fork));
    }

    #[test]
    fn a_record_made_anew_proves_only_what_the_offset_does() {
        assert_eq!(starting(None, &Since::Unknown), Err(GapReason::Expired));
        assert_eq!(starting(Some(&position("now", 60)), &Since::Unknown), Ok(id(60)));
    }
}
