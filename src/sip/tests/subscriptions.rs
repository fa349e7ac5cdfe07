//! Subscriptions: what a notifier owes its subscribers (RFC 6665).

use std::time::Duration;

use super::hand::{Hand, field, fresh, inside, kinds};
use crate::sip::{Body, Command, Config, Event, SubscriptionKey};

const EVENT: &str = "Event: message-summary";

fn summary(text: &str) -> Option<Body> {
    Some(Body::new("application/simple-message-summary", text.to_owned()))
}

/// The subscription of the last SUBSCRIBE, and whether it is new.
fn asked(hand: &mut Hand) -> (SubscriptionKey, bool) {
    match hand.events.pop() {
        Some(Event::Subscribed { subscription, first, .. }) => (subscription, first),
        other => panic!("{other:?}"),
    }
}

/// A subscription for so many seconds, its first NOTIFY answered; and our tag.
fn subscribed(hand: &mut Hand, extra: &[&str]) -> (SubscriptionKey, String) {
    assert!(hand.udp(&fresh("SUBSCRIBE", 1, &[&[EVENT], extra].concat(), "")).is_empty());
    let (key, first) = asked(hand);
    assert!(first);
    let sent = hand.command(Command::Grant { subscription: key, body: summary("Messages-Waiting: no\r\n") });
    assert_eq!(kinds(&sent), ["200", "NOTIFY"]);
    hand.udp(&ok(&sent[1]));
    let tag = field(&sent[0], "To").and_then(|to| to.split("tag=").nth(1)).expect("a tag").to_owned();
    (key, tag)
}

/// The answer to a request of ours.
fn answer(request: &str, status: &str) -> String {
    let copied = ["Via", "From", "To", "Call-ID", "CSeq"].map(|name| {
        let value = field(request, name).expect(name);
        format!("{name}: {value}\r\n")
    });
    format!("SIP/2.0 {status}\r\n{}Content-Length: 0\r\n\r\n", copied.concat())
}

fn ok(request: &str) -> String {
    answer(request, "200 OK")
}

// M6665-4.2.1.1-01 M6665-4.2.3-01 M6665-4.4.4-01
#[test]
fn an_event_that_is_not_had_gets_489_and_is_told_which_are() {
    for extra in [&[][..], &["Event: presence"], &["Event: Message-Summary"], &["o: message-summary.winfo"]] {
        let mut hand = Hand::new(Config::default());
        let sent = hand.udp(&fresh("SUBSCRIBE", 1, extra, ""));
        assert_eq!(kinds(&sent), ["489"], "{extra:?}");
        assert_eq!(field(&sent[0], "Allow-Events"), Some("message-summary"));
        assert!(hand.events.is_empty());
    }
    let mut hand = Hand::new(Config::default());
    assert_eq!(kinds(&hand.udp(&fresh("SUBSCRIBE", 1, &[EVENT, "Accept: text/html, image/*"], ""))), ["406"]);
    assert_eq!(kinds(&hand.udp(&fresh("SUBSCRIBE", 2, &["Event: message-summary;;"], ""))), ["400"]);
}

// M6665-4.2.1.2-01 M6665-4.2.2-01 M6665-4.5.2-01 M3842-3.4-01 M3842-3.8-01
#[test]
fn who_is_granted_a_subscription_hears_at_once_how_things_stand() {
    let mut hand = Hand::new(Config::default());
    let accepts = ["o: message-summary ; id=4", "Accept: application/*"];
    assert!(hand.udp(&fresh("SUBSCRIBE", 1, &accepts, "")).is_empty());
    let (key, _) = asked(&mut hand);
    let sent = hand.command(Command::Grant { subscription: key, body: summary("Messages-Waiting: yes\r\n") });
    assert_eq!(kinds(&sent), ["200", "NOTIFY"]);
    assert_eq!(field(&sent[0], "Expires"), Some("3600"));
    assert!(field(&sent[0], "Contact").is_some());
    let notify = &sent[1];
    assert!(notify.starts_with("NOTIFY sip:carol@192.0.2.9:5070 SIP/2.0\r\n"), "{notify}");
    assert_eq!(field(notify, "Event"), Some("message-summary;id=4"));
    assert_eq!(field(notify, "Subscription-State"), Some("active;expires=3600"));
    assert_eq!(field(notify, "Content-Type"), Some("application/simple-message-summary"));
    assert_eq!(field(notify, "From"), field(&sent[0], "To"));
    assert!(notify.ends_with("\r\n\r\nMessages-Waiting: yes\r\n"));
}

// M6665-4.2.1.1-02 M6665-4.2.1.1-03 M3842-3.7-02
#[test]
fn a_time_is_never_lengthened_and_one_too_short_is_refused_with_what_would_do() {
    for (expires, kind, granted) in [("1", "423", None), ("59", "423", None), ("60", "200", Some("60"))] {
        let mut hand = Hand::new(Config::default());
        let mut sent = hand.udp(&fresh("SUBSCRIBE", 1, &[EVENT, &format!("Expires: {expires}")], ""));
        if sent.is_empty() {
            let (key, _) = asked(&mut hand);
            sent = hand.command(Command::Grant { subscription: key, body: None });
        }
        assert_eq!((kinds(&sent)[0], field(&sent[0], "Expires")), (kind, granted));
        assert_eq!(field(&sent[0], "Min-Expires"), granted.is_none().then_some("60"));
    }
    for (expires, granted) in [("99999999999", "86400"), ("soon", "3600")] {
        let mut hand = Hand::new(Config::default());
        hand.udp(&fresh("SUBSCRIBE", 1, &[EVENT, &format!("Expires: {expires}")], ""));
        let (key, _) = asked(&mut hand);
        let sent = hand.command(Command::Grant { subscription: key, body: None });
        assert_eq!(field(&sent[0], "Expires"), Some(granted));
    }
}

// M6665-4.2.1.4-01 M6665-4.2.2-02
#[test]
fn a_subscription_ends_by_its_time_or_by_wish_and_says_so() {
    let mut hand = Hand::new(Config::default());
    let (key, tag) = subscribed(&mut hand, &["Expires: 100"]);
    // A refresh of less than a minute is refused, and what was granted stays.
    assert_eq!(kinds(&hand.udp(&inside("SUBSCRIBE", 2, &tag, &[EVENT, "Expires: 5"], ""))), ["423"]);
    hand.udp(&inside("SUBSCRIBE", 3, &tag, &[EVENT, "Expires: 200"], ""));
    assert_eq!(asked(&mut hand), (key, false));
    let sent = hand.command(Command::Grant { subscription: key, body: None });
    assert_eq!(field(&sent[1], "Subscription-State"), Some("active;expires=200"));
    hand.udp(&ok(&sent[1]));
    let sent = hand.pass(Duration::from_secs(199));
    assert!(sent.is_empty(), "{sent:?}");
    let (_, notify) = hand.pass(Duration::from_secs(1)).remove(0);
    assert_eq!(field(&notify, "Subscription-State"), Some("terminated;reason=timeout"));
    assert!(matches!(hand.events.pop(), Some(Event::Unsubscribed { subscription }) if subscription == key));
    assert_eq!(kinds(&hand.udp(&inside("SUBSCRIBE", 4, &tag, &[EVENT], ""))), ["481"]);

    let mut hand = Hand::new(Config::default());
    let (key, tag) = subscribed(&mut hand, &[]);
    hand.udp(&inside("SUBSCRIBE", 2, &tag, &[EVENT, "Expires: 0"], ""));
    assert_eq!(asked(&mut hand), (key, false));
    let sent = hand.command(Command::Grant { subscription: key, body: summary("Messages-Waiting: no\r\n") });
    assert_eq!((kinds(&sent), field(&sent[0], "Expires")), (vec!["200", "NOTIFY"], Some("0")));
    assert_eq!(field(&sent[1], "Subscription-State"), Some("terminated;reason=timeout"));
    assert!(sent[1].ends_with("Messages-Waiting: no\r\n"));
    assert!(matches!(hand.events.pop(), Some(Event::Unsubscribed { .. })));
}

// M6665-4.2.1-01
#[test]
fn a_fetch_is_one_notify_and_leaves_nothing_behind() {
    let mut hand = Hand::new(Config::default());
    hand.udp(&fresh("SUBSCRIBE", 1, &[EVENT, "Expires: 0"], ""));
    let (key, _) = asked(&mut hand);
    let sent = hand.command(Command::Grant { subscription: key, body: summary("Messages-Waiting: yes\r\n") });
    assert_eq!(field(&sent[1], "Subscription-State"), Some("terminated;reason=timeout"));
    assert!(matches!(hand.events.pop(), Some(Event::Unsubscribed { .. })));
    assert!(hand.command(Command::Notify { subscription: key, body: None }).is_empty());
}

// M3842-3.11-01 M3842-3.11-02
#[test]
fn changes_that_come_fast_are_told_once_a_second_and_one_by_one() {
    let mut hand = Hand::new(Config::default());
    let (key, _) = subscribed(&mut hand, &[]);
    for count in 1..=10 {
        let body = summary(&format!("Voice-Message: {count}/0\r\n"));
        assert!(hand.command(Command::Notify { subscription: key, body }).is_empty());
    }
    let sent = hand.pass(Duration::from_millis(1100));
    assert_eq!(sent.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [1000]);
    assert!(sent[0].1.ends_with("Voice-Message: 10/0\r\n"), "{sent:?}");
    // It has no answer yet: the next one waits, and the first is repeated.
    assert!(hand.command(Command::Notify { subscription: key, body: None }).is_empty());
    let again = hand.pass(Duration::from_secs(2));
    assert!(!again.is_empty() && again.iter().all(|(_, text)| *text == sent[0].1), "{again:?}");
    assert_eq!(kinds(&hand.udp(&ok(&sent[0].1))), ["NOTIFY"]);
}

// M6665-4.2.2-03 M6665-4.2.2-04
#[test]
fn who_refuses_a_notify_or_says_nothing_to_it_is_no_subscriber_any_more() {
    for (status, stays) in [
        ("404 Not Found", false),
        ("405 Method Not Allowed", false),
        ("410 Gone", false),
        ("416 Unsupported URI Scheme", false),
        ("480 Away", false),
        ("481 No Subscription", false),
        ("485 Ambiguous", false),
        ("489 Bad Event", false),
        ("501 Not Implemented", false),
        ("604 Nowhere", false),
        ("500 Trouble", true),
        ("503 Busy", true),
    ] {
        let mut hand = Hand::new(Config::default());
        let (key, _) = subscribed(&mut hand, &[]);
        hand.pass(Duration::from_secs(2));
        let sent = hand.command(Command::Notify { subscription: key, body: None });
        hand.udp(&answer(&sent[0], status));
        let gone = matches!(hand.events.pop(), Some(Event::Unsubscribed { .. }));
        assert_eq!(gone, !stays, "{status}");
        hand.pass(Duration::from_secs(2));
        assert_eq!(
            hand.command(Command::Notify { subscription: key, body: None }).len(),
            usize::from(stays),
            "{status}"
        );
    }
    let mut hand = Hand::new(Config::default());
    let (key, _) = subscribed(&mut hand, &[]);
    hand.pass(Duration::from_secs(2));
    hand.command(Command::Notify { subscription: key, body: None });
    hand.pass(Duration::from_secs(33));
    assert!(matches!(hand.events.pop(), Some(Event::Unsubscribed { subscription }) if subscription == key));
}

// M6665-4.6-01
#[test]
fn a_subscribe_cannot_be_cancelled() {
    let mut hand = Hand::new(Config::default());
    hand.udp(&fresh("SUBSCRIBE", 1, &[EVENT], ""));
    let (key, _) = asked(&mut hand);
    let cancel = fresh("CANCEL", 1, &[], "").replace("z9hG4bKCANCEL1", "z9hG4bKSUBSCRIBE1");
    assert_eq!(kinds(&hand.udp(&cancel)), ["481"]);
    assert_eq!(kinds(&hand.command(Command::Grant { subscription: key, body: None })), ["200", "NOTIFY"]);
}

#[test]
fn a_refresh_has_the_same_event_and_dialog_and_comes_in_order() {
    let mut hand = Hand::new(Config::default());
    let (_, tag) = subscribed(&mut hand, &[]);
    assert_eq!(kinds(&hand.udp(&inside("SUBSCRIBE", 5, &tag, &["Event: message-summary;id=9"], ""))), ["481"]);
    assert_eq!(kinds(&hand.udp(&inside("SUBSCRIBE", 6, "another", &[EVENT], ""))), ["481"]);
    assert!(hand.udp(&inside("SUBSCRIBE", 7, &tag, &[EVENT], "")).is_empty());
    assert_eq!(kinds(&hand.udp(&inside("SUBSCRIBE", 8, &tag, &[EVENT], ""))), ["500"], "the one before has no answer");
    let (key, _) = asked(&mut hand);
    // Whoever may hear no more keeps what was granted.
    assert_eq!(kinds(&hand.command(Command::Decline { subscription: key, status: 403 })), ["403"]);
    assert_eq!(kinds(&hand.udp(&inside("SUBSCRIBE", 3, &tag, &[EVENT], ""))), ["500"], "an old one");
    assert!(hand.events.is_empty());
    let moved = ["Contact: <sip:carol@192.0.2.77:6000>", EVENT];
    let text = inside("SUBSCRIBE", 9, &tag, &moved, "").replace("Contact: <sip:carol@192.0.2.9:5070>\r\n", "");
    hand.udp(&text);
    let sent = hand.command(Command::Grant { subscription: key, body: None });
    assert!(sent[1].starts_with("NOTIFY sip:carol@192.0.2.77:6000"), "{}", sent[1]);
}

#[test]
fn subscriptions_have_limits_an_owner_that_forgets_none_and_a_dialog_of_their_own() {
    let config = Config { subscriptions_per_address_max: 1, ..Config::default() };
    let mut hand = Hand::new(config);
    let (key, _) = subscribed(&mut hand, &[]);
    let other = |seq| fresh("SUBSCRIBE", seq, &[EVENT], "").replace("by-hand@", "other@");
    let sent = hand.udp(&other(2));
    assert_eq!((kinds(&sent), field(&sent[0], "Retry-After")), (vec!["503"], Some("10")));
    hand.command(Command::Decline { subscription: key, status: 500 }); // nothing waits
    let without = other(3).replace("Contact: <sip:carol@192.0.2.9:5070>\r\n", "");
    let mut hand = Hand::new(Config::default());
    assert_eq!(kinds(&hand.udp(&without)), ["400"]);
    hand.udp(&other(4));
    hand.events.clear();
    let sent: Vec<String> = hand.pass(Duration::from_secs(33)).into_iter().map(|(_, text)| text).collect();
    assert!(kinds(&sent).contains(&"500"), "{sent:?}");
    assert!(matches!(hand.events.pop(), Some(Event::Unsubscribed { .. })));
    // Not in a call's.
    hand.udp(&fresh("INVITE", 1, &[], ""));
    let Some(Event::Invited { tag, .. }) = hand.events.pop() else { panic!("no call") };
    assert_eq!(kinds(&hand.udp(&inside("SUBSCRIBE", 5, &tag, &[EVENT], ""))), ["403"]);
}

// M3842-3.8-05
#[test]
fn who_goes_out_of_service_ends_subscriptions_and_says_when_to_come_back() {
    let mut hand = Hand::new(Config::default());
    subscribed(&mut hand, &[]);
    let sent = hand.command(Command::Drain { retry_after: 30 });
    assert_eq!(field(&sent[0], "Subscription-State"), Some("terminated;reason=probation;retry-after=30"));
    assert!(matches!(hand.events.pop(), Some(Event::Unsubscribed { .. })));
    let sent = hand.udp(&fresh("SUBSCRIBE", 9, &[EVENT], "").replace("by-hand@", "new@"));
    assert_eq!((kinds(&sent), field(&sent[0], "Retry-After")), (vec!["503"], Some("30")));
}
