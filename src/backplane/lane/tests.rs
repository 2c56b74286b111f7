use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;

use super::{GapNotice, GapReason, Lane, LaneOptions, Step};
use crate::backplane::{Announcement, Entry, Heads};
use crate::event::{Epoch, Id, Partition, Topic};
use crate::ids::{Namespace, Room, Tenant};

#[test]
fn an_announcement_for_several_rooms_is_delivered_once() {
    let mut lane = watching(&["a", "b"], 10);
    let both = announcement(11, &[("a", 10), ("b", 10)]);
    lane.on_announcement(both.clone(), 0);
    lane.on_announcement(both, 0);
    assert_eq!(delivered(&mut lane), [(11, 11)]);
    assert_eq!(lane.counters().duplicates, 1);
}

#[test]
fn a_hole_holds_the_lane_until_it_is_read() {
    let mut lane = watching(&["a", "b"], 10);
    lane.on_announcement(announcement(13, &[("a", 12)]), 0);
    lane.on_announcement(announcement(14, &[("b", 10)]), 0);
    lane.on_volatile(Bytes::new(), 0);
    let (heads, fetch) = (next_check(&mut lane), next_fetch(&mut lane));
    assert_eq!((fetch.1, fetch.2, fetch.3), (room("a"), id(10), id(12)));
    assert_eq!(lane.next_step(), None);
    lane.on_fetched(fetch.0, Some(vec![entry(11, 10), entry(12, 11)]), 5);
    assert_eq!(lane.next_step(), None, "another topic may miss something older");
    answer_check(&mut lane, heads, 14, &[("a", 12), ("b", 10)]);
    assert_eq!(delivered(&mut lane), [(11, 11), (12, 12), (13, 13), (14, 14), (0, 14)]);
    assert_eq!((lane.counters().holds, lane.counters().backfilled), (1, 2));
}

#[test]
fn a_hole_that_cannot_be_read_in_time_is_told() {
    let mut lane = watching(&["a"], 10);
    lane.on_announcement(announcement(13, &[("a", 12)]), 0);
    let (heads, fetch) = (next_check(&mut lane), next_fetch(&mut lane));
    answer_check(&mut lane, heads, 13, &[("a", 12)]);
    lane.on_fetched(fetch.0, None, 1_000);
    lane.on_tick(1_100);
    assert!(steps(&mut lane).iter().any(|step| matches!(step, Step::Fetch { .. })), "it is tried again");
    lane.on_tick(2_000);
    assert_eq!(gaps_and_ids(&mut lane), (vec![gap("a", GapReason::Limit, 10, 12)], vec![13]));
}

#[test]
fn what_waits_is_bounded_and_volatile_goes_first() {
    let mut lane = watching(&["a", "b"], 10);
    lane.on_announcement(announcement(13, &[("a", 12)]), 0);
    let mut prev = 10;
    let payload = Bytes::from(vec![0; 1 << 20]);
    lane.on_volatile(payload.clone(), 0);
    for number in 14..18 {
        assert_eq!(delivered(&mut lane), []);
        lane.on_announcement(Announcement { envelope: payload.clone(), ..announcement(number, &[("b", prev)]) }, 0);
        prev = number;
    }
    assert_eq!(lane.counters().volatile_dropped, 1);
    assert_eq!(gaps_and_ids(&mut lane), (vec![gap("a", GapReason::Limit, 10, 12)], vec![13, 14, 15, 16, 17]));
}

#[test]
fn a_trimmed_hole_is_told_and_the_rest_delivered() {
    let mut lane = watching(&["a"], 10);
    lane.on_announcement(announcement(20, &[("a", 19)]), 0);
    let (heads, fetch) = (next_check(&mut lane), next_fetch(&mut lane));
    answer_check(&mut lane, heads, 20, &[("a", 19)]);
    lane.on_fetched(fetch.0, Some(vec![entry(18, 17), entry(19, 18)]), 0);
    assert_eq!(gaps_and_ids(&mut lane), (vec![gap("a", GapReason::Trimmed, 10, 19)], vec![18, 19, 20]));
}

#[test]
fn a_log_that_lost_its_tail_is_told_as_a_fork() {
    let mut lane = watching(&["a"], 10);
    lane.on_announcement(announcement(11, &[("a", 10)]), 0);
    lane.on_announcement(announcement(12, &[("a", 10)]), 0);
    assert_eq!(gaps_and_ids(&mut lane), (vec![gap("a", GapReason::Fork, 11, 12)], vec![11, 12]));
}

#[test]
fn heads_that_fall_back_are_told_as_a_fork_and_move_the_position() {
    let mut lane = watching(&["a"], 10);
    lane.on_announcement(announcement(12, &[("a", 10)]), 0);
    answer_heads(&mut lane, 1_000, &heads(11, &[10]));
    let (gaps, _) = gaps_and_ids(&mut lane);
    assert_eq!(gaps, [gap("a", GapReason::Fork, 12, 10)]);
    assert_eq!(lane.position().unwrap().id, id(11));
}

#[test]
fn another_epoch_is_told_to_every_topic_and_the_old_one_ends() {
    let mut lane = watching(&["a", "b"], 10);
    let other = Announcement { epoch: Epoch::new("f").unwrap(), ..announcement(20, &[("a", 0)]) };
    lane.on_announcement(other, 0);
    lane.on_announcement(announcement(11, &[("a", 10)]), 0);
    let told = vec![gap("a", GapReason::Epoch, 10, 20), gap("b", GapReason::Epoch, 10, 20)];
    assert_eq!(gaps_and_ids(&mut lane), (told, vec![20]));
    assert_eq!(lane.position().unwrap().to_string(), "f.20-0");
}

#[test]
fn another_epoch_is_read_from_its_beginning() {
    let mut lane = watching(&["a"], 10);
    let epoch = Epoch::new("f").unwrap();
    lane.on_announcement(Announcement { epoch: epoch.clone(), ..announcement(22, &[("a", 21)]) }, 0);
    let [Step::Gap(told), Step::CheckHeads { ticket: heads, .. }, Step::Fetch { ticket, after, until, .. }] =
        &steps(&mut lane)[..]
    else {
        panic!("a notice, and questions about what comes before the announcement")
    };
    assert_eq!((told, after, until), (&gap("a", GapReason::Epoch, 10, 22), &Id::ZERO, &id(21)));
    lane.on_fetched(*ticket, Some(vec![entry(20, 0), entry(21, 20)]), 1);
    lane.on_heads(*heads, Some(&Heads { epoch: Some(epoch), last: id(22), topics: vec![id(21)] }), 1);
    assert_eq!(gaps_and_ids(&mut lane), (vec![], vec![20, 21, 22]));
}

#[test]
fn a_room_that_was_idle_until_it_went_starts_anew_without_a_word() {
    let mut lane = watching(&["a"], 10);
    let age_ms = LaneOptions::default().history_age_ms;
    answer_heads(&mut lane, age_ms, &heads(10, &[10]));
    lane.on_announcement(announcement(10 + age_ms, &[("a", 0)]), age_ms + 10);
    assert_eq!(gaps_and_ids(&mut lane), (vec![], vec![10 + age_ms]));
    // Had nobody looked for so long, something could have come and gone.
    lane.on_announcement(announcement(11 + 3 * age_ms, &[("a", 0)]), 3 * age_ms);
    let told = gap("a", GapReason::Expired, 10 + age_ms, 11 + 3 * age_ms);
    assert_eq!(gaps_and_ids(&mut lane), (vec![told], vec![11 + 3 * age_ms]));
}

#[test]
fn a_lost_last_announcement_is_found_once_it_is_late() {
    let mut lane = watching(&["a"], 10);
    answer_heads(&mut lane, 1_000, &heads(11, &[11]));
    assert_eq!(lane.next_step(), None, "it may still be under way");
    lane.on_tick(1_150);
    let (heads, (ticket, _, after, until)) = (next_check(&mut lane), next_fetch(&mut lane));
    assert_eq!((after, until), (id(10), id(11)));
    answer_check(&mut lane, heads, 11, &[("a", 11)]);
    lane.on_fetched(ticket, Some(vec![entry(11, 10)]), 1_160);
    assert_eq!(delivered(&mut lane), [(11, 11)]);
}

#[test]
fn an_idle_partition_costs_one_question_about_no_topic() {
    let mut lane = watching(&["a"], 10);
    answer_heads(&mut lane, 1_000, &heads(10, &[10]));
    lane.on_tick(2_000);
    assert!(matches!(lane.next_step(), Some(Step::CheckHeads { topics, .. }) if topics.is_empty()));
}

#[test]
fn of_many_topics_only_those_written_are_compared() {
    let mut lane = watching_many(10);
    // Lost: 12 in one room. Elsewhere 11 and, while the answers come, 13 are written.
    let Some(Step::ListWritten { ticket, since, limit }) = after_partition(&mut lane, 2_000, id(12)) else {
        panic!("a list")
    };
    assert_eq!((since, limit), (id(10), MANY));
    lane.on_written(ticket, Some(vec![room("elsewhere"), room("r7")]), 2_000);
    let (ticket, topics) = next_check(&mut lane);
    assert_eq!(topics, [room("r7")]);
    lane.on_heads(ticket, Some(&heads(13, &[12])), 2_000);
    lane.on_tick(2_150);
    let (_, topic, after, until) = next_fetch(&mut lane);
    assert_eq!((topic, after, until), (room("r7"), id(10), id(12)));
}

#[test]
fn what_was_written_is_asked_for_since_everything_agreed() {
    let mut lane = watching_many(10);
    let Some(Step::ListWritten { ticket, .. }) = after_partition(&mut lane, 2_000, id(20)) else { panic!("a list") };
    lane.on_written(ticket, Some(vec![room("elsewhere")]), 2_000);
    assert_eq!(lane.next_step(), None);
    // Another topic is confirmed with heads that are older than that.
    lane.watch(&room("late"), None);
    lane.confirm(&[room("late")], &heads(15, &[10]), 2_500);
    let step = after_partition(&mut lane, 3_000, id(30));
    let Some(Step::ListWritten { ticket, since, .. }) = step else { panic!("a list") };
    assert_eq!(since, id(15));
    lane.on_written(ticket, None, 3_000);
    assert_eq!(next_check(&mut lane).1.len(), MANY + 1, "the log cannot tell");
}

#[test]
fn what_was_only_under_way_agrees_once_it_came() {
    let mut lane = watching_many(10);
    let Some(Step::ListWritten { ticket, .. }) = after_partition(&mut lane, 2_000, id(11)) else { panic!("a list") };
    lane.on_written(ticket, Some(vec![room("r1")]), 2_000);
    let (ticket, _) = next_check(&mut lane);
    lane.on_heads(ticket, Some(&heads(11, &[11])), 2_000);
    lane.on_announcement(announcement(11, &[("r1", 10)]), 2_001);
    lane.on_tick(2_150);
    assert_eq!(delivered(&mut lane), [(11, 11)]);
    let step = after_partition(&mut lane, 3_000, id(12));
    assert!(matches!(step, Some(Step::ListWritten { since, .. }) if since == id(11)), "{step:?}");
}

#[test]
fn every_topic_is_compared_after_a_change_of_lineage_a_step_back_or_a_while() {
    for (now_ms, last) in [(2_000, Id { ms: 20, seq: 1 << 20 }), (2_000, id(9)), (61_000, id(11))] {
        let mut lane = watching_many(10);
        let step = after_partition(&mut lane, now_ms, last);
        assert!(matches!(step, Some(Step::CheckHeads { topics, .. }) if topics.len() == MANY), "{last}");
    }
}

#[test]
fn who_asks_since_a_position_before_the_subscription_stands_gets_what_came_between() {
    let mut lane = watching(&["a"], 10);
    lane.watch(&room("b"), None);
    lane.on_announcement(announcement(13, &[("b", 12)]), 0);
    lane.watch(&room("b"), Some(id(10)));
    assert_eq!(delivered(&mut lane), [(13, 13)]);
    lane.confirm(&[room("b")], &heads(13, &[13]), 0);
    let (ticket, _, after, until) = next_fetch(&mut lane);
    assert_eq!((after, until), (id(10), id(13)));
    lane.on_fetched(ticket, Some(vec![entry(12, 9), entry(13, 12)]), 0);
    assert_eq!(gaps_and_ids(&mut lane), (vec![], vec![12]));
}

#[test]
fn an_interruption_holds_the_lane_until_heads_are_compared() {
    let mut lane = watching(&["a", "b"], 10);
    lane.on_interrupted(0);
    lane.on_announcement(announcement(13, &[("b", 10)]), 0);
    let Some(Step::CheckHeads { ticket, topics }) = lane.next_step() else { panic!("a check") };
    assert_eq!(lane.next_step(), None);
    let heads = heads(13, &topics.iter().map(|topic| if *topic == room("a") { 12 } else { 13 }).collect::<Vec<_>>());
    lane.on_heads(ticket, Some(&heads), 1);
    for step in steps(&mut lane) {
        let Step::Fetch { ticket, topic, .. } = step else { panic!("only fetches: {step:?}") };
        let entries = if topic == room("a") { vec![entry(11, 10), entry(12, 11)] } else { vec![entry(13, 10)] };
        lane.on_fetched(ticket, Some(entries), 2);
    }
    assert_eq!(delivered(&mut lane), [(11, 11), (12, 12), (13, 13)]);
}

#[test]
fn what_is_found_late_does_not_take_the_position_back() {
    let mut lane = watching(&["a", "b"], 10);
    lane.on_announcement(announcement(15, &[("b", 10)]), 0);
    lane.on_announcement(announcement(16, &[("a", 12)]), 0);
    assert_eq!(delivered_first(&mut lane), (15, 15));
    let (heads, fetch) = (next_check(&mut lane), next_fetch(&mut lane));
    answer_check(&mut lane, heads, 16, &[("a", 12), ("b", 15)]);
    lane.on_fetched(fetch.0, Some(vec![entry(12, 10)]), 0);
    assert_eq!(delivered(&mut lane), [(12, 15), (16, 16)]);
    assert_eq!(lane.counters().late, 1);
}

#[test]
fn a_topic_watched_since_a_position_gets_what_was_stored_after_it() {
    let mut lane = Lane::new(LaneOptions::default());
    lane.watch(&room("a"), Some(id(5)));
    lane.confirm(&[room("a")], &heads(10, &[9]), 0);
    let Some(Step::Fetch { ticket, after, until, .. }) = lane.next_step() else { panic!("a fetch") };
    assert_eq!((after, until), (id(5), id(9)));
    // Its predecessor lies before the position and is not missing.
    lane.on_fetched(ticket, Some(vec![entry(9, 3)]), 0);
    assert_eq!(gaps_and_ids(&mut lane), (vec![], vec![9]));
}

#[test]
fn volatile_publications_carry_the_position_and_none_before_there_is_one() {
    let mut lane = Lane::new(LaneOptions::default());
    lane.watch(&room("a"), None);
    lane.confirm(&[room("a")], &Heads { epoch: None, last: Id::ZERO, topics: vec![Id::ZERO] }, 0);
    lane.on_volatile(Bytes::new(), 0);
    assert!(matches!(lane.next_step(), Some(Step::Deliver { id: None, position: None, .. })));
    lane.on_announcement(announcement(1, &[("a", 0)]), 0);
    lane.on_volatile(Bytes::new(), 0);
    assert_eq!(delivered(&mut lane), [(1, 1), (0, 1)]);
}

#[test]
fn what_is_read_of_one_topic_does_not_overtake_what_another_misses() {
    let mut lane = watching(&["a", "b"], 10);
    // Lost: 13 in b, then 14 in both. The announcement after them tells of a's hole only.
    lane.on_announcement(announcement(15, &[("a", 14)]), 0);
    let (heads, (ticket, ..)) = (next_check(&mut lane), next_fetch(&mut lane));
    lane.on_fetched(ticket, Some(vec![entry(14, 10)]), 0);
    assert_eq!(delivered(&mut lane), []);
    answer_check(&mut lane, heads, 15, &[("a", 15), ("b", 14)]);
    for _ in 0..2 {
        let (ticket, topic, after, _) = next_fetch(&mut lane);
        let entries = if topic == room("a") { vec![entry(15, 14)] } else { vec![entry(13, 10), entry(14, 13)] };
        assert_eq!(after, if topic == room("a") { id(14) } else { id(10) });
        lane.on_fetched(ticket, Some(entries), 0);
    }
    assert_eq!(delivered(&mut lane), [(13, 13), (14, 14), (15, 15)]);
    assert_eq!((lane.counters().gaps, lane.counters().late), (0, 0));
}

#[test]
fn a_hole_that_grows_while_it_is_read_is_read_to_its_end() {
    let mut lane = watching(&["a"], 10);
    lane.on_announcement(announcement(13, &[("a", 12)]), 0);
    let (heads, (ticket, .., until)) = (next_check(&mut lane), next_fetch(&mut lane));
    assert_eq!(until, id(12));
    answer_check(&mut lane, heads, 14, &[("a", 14)]);
    lane.on_fetched(ticket, Some(vec![entry(12, 10)]), 0);
    let (ticket, _, after, until) = next_fetch(&mut lane);
    assert_eq!((after, until), (id(12), id(14)));
    lane.on_fetched(ticket, Some(vec![entry(13, 12), entry(14, 13)]), 0);
    assert_eq!(gaps_and_ids(&mut lane), (vec![], vec![12, 13, 14]));
}

#[test]
fn a_first_publication_that_names_a_forgotten_past_is_no_gap() {
    // The log cannot tell a new room from one that was idle until it went, so it names the latest moment of such an end.
    let age_ms = LaneOptions::default().history_age_ms;
    let now = 20 * age_ms;
    let mut lane = Lane::new(LaneOptions::default());
    for name in ["new", "idle"] {
        lane.watch(&room(name), None);
    }
    lane.confirm(&[room("new"), room("idle")], &heads(now - 5 * age_ms, &[0, now - 5 * age_ms]), 0);
    lane.on_announcement(announcement(now, &[("new", now - 4 * age_ms)]), 1_000);
    lane.on_announcement(announcement(now + 1, &[("idle", now - 4 * age_ms)]), 1_000);
    assert_eq!(gaps_and_ids(&mut lane), (vec![], vec![now, now + 1]));
    // Had nobody looked for so long, something could have come and gone; so for who asks for what came after a position.
    lane.on_announcement(announcement(now + 4 * age_ms, &[("new", now + age_ms)]), 3 * age_ms);
    assert_eq!(next_fetch(&mut lane).1, room("new"));
    let mut lane = watching(&["a"], now - 1);
    lane.watch(&room("b"), Some(id(now - 6 * age_ms)));
    lane.confirm(&[room("b")], &heads(now, &[now]), 0);
    let (ticket, ..) = next_fetch(&mut lane);
    lane.on_fetched(ticket, Some(vec![entry(now, now - 4 * age_ms)]), 0);
    assert_eq!(gaps_and_ids(&mut lane).0, [gap("b", GapReason::Trimmed, now - 6 * age_ms, now)]);
}

/// A lane with these topics confirmed, the head of each at `head`.
fn watching(rooms: &[&str], head: u64) -> Lane {
    let mut lane = Lane::new(LaneOptions::default());
    let topics: Vec<Topic> = rooms.iter().map(|name| room(name)).collect();
    for topic in &topics {
        lane.watch(topic, None);
    }
    lane.confirm(&topics, &heads(head, &vec![head; topics.len()]), 0);
    lane
}

const MANY: usize = 100;

/// A lane with many rooms whose heads were compared a second after the start.
fn watching_many(head: u64) -> Lane {
    let names: Vec<String> = (0..MANY).map(|number| format!("r{number}")).collect();
    let mut lane = watching(&names.iter().map(String::as_str).collect::<Vec<_>>(), head);
    answer_heads(&mut lane, 1_000, &heads(head, &[head; MANY]));
    lane
}

/// What follows the answer about the partition's head.
fn after_partition(lane: &mut Lane, now_ms: u64, last: Id) -> Option<Step> {
    lane.on_tick(now_ms);
    let (ticket, topics) = next_check(lane);
    assert_eq!(topics, []);
    lane.on_heads(ticket, Some(&Heads { last, ..heads(0, &[]) }), now_ms);
    lane.next_step()
}

/// Lets checks be asked at `now_ms` and answers each with the same heads.
fn answer_heads(lane: &mut Lane, now_ms: u64, heads: &Heads) {
    lane.on_tick(now_ms);
    let mut kept = Vec::new();
    while let Some(step) = lane.next_step() {
        match step {
            Step::CheckHeads { ticket, topics } => {
                let topics = if topics.is_empty() { Vec::new() } else { heads.topics.clone() };
                lane.on_heads(ticket, Some(&Heads { topics, ..heads.clone() }), now_ms);
            }
            Step::Deliver { .. } | Step::Fetch { .. } | Step::ListWritten { .. } | Step::Gap(_) => kept.push(step),
        }
    }
    lane.steps.extend(kept);
}

/// The next question about heads; what comes before it stays to be asked for.
fn next_check(lane: &mut Lane) -> (u64, Vec<Topic>) {
    let at = lane.steps.iter().position(|step| matches!(step, Step::CheckHeads { .. })).expect("a check");
    let Some(Step::CheckHeads { ticket, topics }) = lane.steps.remove(at) else { unreachable!("it was found") };
    (ticket, topics)
}

/// Answers it; a topic that is not named has the head ten.
fn answer_check(lane: &mut Lane, (ticket, topics): (u64, Vec<Topic>), last: u64, named: &[(&str, u64)]) {
    let head = |topic: &Topic| named.iter().find(|(name, _)| room(name) == *topic).map_or(10, |(_, head)| *head);
    let topics: Vec<u64> = topics.iter().map(head).collect();
    lane.on_heads(ticket, Some(&heads(last, &topics)), 0);
}

/// The next read: ticket, topic, after, until.
fn next_fetch(lane: &mut Lane) -> (u64, Topic, Id, Id) {
    let at = lane.steps.iter().position(|step| matches!(step, Step::Fetch { .. })).expect("a fetch");
    let Some(Step::Fetch { ticket, topic, after, until, .. }) = lane.steps.remove(at) else {
        unreachable!("it was found")
    };
    (ticket, topic, after, until)
}

fn delivered_first(lane: &mut Lane) -> (u64, u64) {
    let Some(Step::Deliver { id: Some(id), position: Some(position), .. }) = lane.next_step() else {
        panic!("a delivery")
    };
    (id.ms, position.id.ms)
}

fn steps(lane: &mut Lane) -> Vec<Step> {
    std::iter::from_fn(|| lane.next_step()).collect()
}

/// Own id (zero for volatile) and position of each delivery, by milliseconds.
fn delivered(lane: &mut Lane) -> Vec<(u64, u64)> {
    let number = |step| match step {
        Step::Deliver { id, position, .. } => {
            Some((id.map_or(0, |id: Id| id.ms), position.map_or(0, |position| position.id.ms)))
        }
        Step::Fetch { .. } | Step::CheckHeads { .. } | Step::ListWritten { .. } | Step::Gap(_) => None,
    };
    steps(lane).into_iter().filter_map(number).collect()
}

fn gaps_and_ids(lane: &mut Lane) -> (Vec<GapNotice>, Vec<u64>) {
    let (mut gaps, mut ids) = (Vec::new(), Vec::new());
    for step in steps(lane) {
        match step {
            Step::Gap(notice) => gaps.push(notice),
            Step::Deliver { id, .. } => ids.extend(id.map(|id| id.ms)),
            Step::Fetch { .. } | Step::CheckHeads { .. } | Step::ListWritten { .. } => {}
        }
    }
    (gaps, ids)
}

fn gap(name: &str, reason: GapReason, last: u64, head: u64) -> GapNotice {
    GapNotice { topic: room(name), reason, last: id(last), head: id(head) }
}

fn announcement(number: u64, topics: &[(&str, u64)]) -> Announcement {
    let topics: SmallVec<[(Topic, Id); 1]> = topics.iter().map(|(name, prev)| (room(name), id(*prev))).collect();
    let partition: Arc<Partition> = Partition::new(Tenant::new("t").unwrap(), Namespace::root());
    Announcement { partition, epoch: Epoch::new("e").unwrap(), id: id(number), topics, envelope: Bytes::new() }
}

fn entry(number: u64, prev: u64) -> Entry {
    Entry { id: id(number), prev: id(prev), envelope: Bytes::new() }
}

fn heads(last: u64, topics: &[u64]) -> Heads {
    Heads { epoch: Epoch::new("e"), last: id(last), topics: topics.iter().map(|head| id(*head)).collect() }
}

fn id(ms: u64) -> Id {
    Id { ms, seq: 0 }
}

fn room(name: &str) -> Topic {
    Topic::Room(Room::new(name).unwrap())
}
