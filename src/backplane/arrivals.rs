//! A bounded queue of arrivals that owns up to what it dropped.

use tokio::sync::mpsc;

use super::Arrival;

/// Puts an arrival into a bounded queue without waiting, and tells whether it fitted.
///
/// The last free slot is only ever given to [`Arrival::Interrupted`]. So a full queue always ends with one, whatever is
/// dropped meanwhile is dropped before the reader gets there, and the heads it reads then show the loss. A queue has one
/// such writer at a time (one task, or several under one lock).
pub fn offer(queue: &mpsc::Sender<Arrival>, arrival: Arrival) -> bool {
    match queue.capacity() {
        0 => false,
        1 => {
            let interrupted = matches!(arrival, Arrival::Interrupted { partition: None });
            // A reader that went away needs no telling.
            let _ = queue.try_send(Arrival::Interrupted { partition: None });
            interrupted
        }
        _ => queue.try_send(arrival).is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_ends_with_the_word_that_something_was_lost() {
        let (queue, mut reader) = mpsc::channel(3);
        let offered: Vec<bool> = (0..5).map(|_| offer(&queue, Arrival::Unreadable)).collect();
        assert_eq!(offered, [true, true, false, false, false]);
        assert!(matches!(reader.try_recv(), Ok(Arrival::Unreadable)));
        assert!(matches!(reader.try_recv(), Ok(Arrival::Unreadable)));
        assert!(offer(&queue, Arrival::Unreadable));
        assert!(matches!(reader.try_recv(), Ok(Arrival::Interrupted { partition: None })));
        assert!(matches!(reader.try_recv(), Ok(Arrival::Unreadable)));
    }
}
