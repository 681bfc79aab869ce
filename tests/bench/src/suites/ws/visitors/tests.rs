use super::*;

fn hear(book: &mut Book, text: &str) -> Result<bool> {
    note(book, Heard::Text(text.as_bytes()))
}

/// A visitor who said two things.
fn book() -> Book {
    let messages = vec![MessageId::new(FIRST, 1), MessageId::new(FIRST, 2)];
    Book { said: 2, messages, acked: BTreeSet::from([1]), ..Book::default() }
}

fn answer(seq: u64, number: u64) -> String {
    let mut mark = Vec::new();
    MessageId::new(FIRST, number).mark(&mut mark);
    let mark = String::from_utf8(mark).unwrap();
    format!(r#"{{"t":"ev","conv":"c","seq":{seq},"kind":"msg","data":{{"text":"answer {mark}"}}}}"#)
}

fn visitors(book: Book) -> Visitors {
    Visitors { sockets: Sockets::new().unwrap(), books: vec![book], lane: FIRST }
}

const ACK: &str = r#"{"t":"ack","id":"said-00000002","conv":"c","seq":3}"#;

#[test]
fn a_whole_conversation_passes() {
    let mut book = book();
    hear(&mut book, &answer(2, 1)).unwrap();
    assert!(hear(&mut book, ACK).unwrap());
    hear(&mut book, &answer(4, 2)).unwrap();
    visitors(book).check(true).unwrap();
}

#[test]
fn lost_doubled_and_swapped_answers_gaps_and_missing_acks_are_seen() {
    let cases: [&[String]; 5] = [
        &[answer(2, 1), ACK.into()],
        &[answer(2, 1), ACK.into(), answer(4, 2), answer(5, 2)],
        &[answer(2, 2), ACK.into(), answer(4, 1)],
        &[answer(2, 1), ACK.into(), answer(5, 2)],
        &[answer(2, 1), answer(3, 2)],
    ];
    for case in cases {
        let mut book = book();
        for frame in case {
            hear(&mut book, frame).unwrap();
        }
        assert!(visitors(book).check(true).is_err(), "{case:?}");
    }
}

#[test]
fn a_second_ack_a_strange_one_a_refusal_and_a_close_end_the_round() {
    let mut book = book();
    hear(&mut book, ACK).unwrap();
    assert!(hear(&mut book, ACK).is_err());
    assert!(hear(&mut book, r#"{"t":"ack","id":"said-00000001","seq":9}"#).is_err());
    assert!(hear(&mut book, r#"{"t":"nack","id":"said-00000002","code":"rate"}"#).is_err());
    assert!(note(&mut book, Heard::Closed(1013)).is_err());
}
