use std::collections::HashSet;
use std::time::Duration;

use super::*;

#[test]
fn every_metric_is_shown_as_it_is_described() {
    let metrics = Metrics::new();
    // Families without a member show nothing but their head; each must have one.
    metrics.webhook("shop").record(WebhookOutcome::Accepted, 10, Duration::from_millis(2));
    metrics.bot("support").record(DispatchOutcome::Accepted, Duration::from_millis(3));
    metrics.sends("shop").record(SendOutcome::Sent, Duration::from_millis(4));
    metrics.sends("shop").waits.record(Duration::from_millis(1500));
    metrics.api("createMessage").record(201, Duration::from_millis(5));
    metrics.live("site").slow.inc();
    metrics.dead_letter("expired");
    let text = metrics.encode();
    let described = Metrics::describe();
    assert!(described.len() >= 30);
    let mut names = HashSet::new();
    for (name, kind, help) in &described {
        assert!(names.insert(name.clone()), "{name} is there twice");
        let family = name.strip_suffix("_total").unwrap_or(name);
        assert!(text.contains(&format!("# HELP {family} {help}.\n")), "{name}: {help}");
        assert!(text.contains(&format!("# TYPE {family} {kind}\n")), "{name}: {kind}");
        let sample = |line: &str| line.starts_with(name.as_str()) && !line.starts_with('#');
        assert!(text.lines().any(sample), "{name} has no sample");
    }
    let shown: HashSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    assert_eq!(shown.len(), described.len());
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn what_is_counted_through_a_handle_stands_under_its_labels() {
    let metrics = Metrics::new();
    let shop = metrics.webhook("shop");
    shop.record(WebhookOutcome::Duplicate, 1000, Duration::from_millis(7));
    metrics.webhook("shop").record(WebhookOutcome::Duplicate, 24, Duration::from_millis(7));
    metrics.refusals.inc(Refusal::Unauthenticated);
    metrics.events.add(EventOutcome::New, 3);
    metrics.limits.inc(Limit::Outbox);
    metrics.connections(Listener::Public).inc();
    metrics.bot("b").set_breaker(BreakerState::Open);
    metrics.set_disk_level(DiskLevel::Refuse);
    metrics.api("getUser").record(404, Duration::ZERO);
    metrics.api("getUser").record(418, Duration::ZERO);
    metrics.journal_sync_p99.set(0.0008);
    metrics.outbound_seconds.observe(Duration::from_micros(800));
    let text = metrics.encode();
    for line in [
        "portico_webhooks_total{installation=\"shop\",outcome=\"duplicate\"} 2",
        "portico_webhook_bytes_total{installation=\"shop\"} 1024",
        "portico_webhook_seconds_count{installation=\"shop\"} 2",
        "portico_webhook_seconds_bucket{le=\"0.01\",installation=\"shop\"} 2",
        "portico_webhook_seconds_bucket{le=\"0.005\",installation=\"shop\"} 0",
        "portico_refusals_total{reason=\"unauthenticated\"} 1",
        "portico_events_total{outcome=\"new\"} 3",
        "portico_limits_refused_total{limit=\"outbox\"} 1",
        "portico_connections_open{listener=\"public\"} 1",
        "portico_connections_open{listener=\"admin\"} 0",
        "portico_breaker_state{bot=\"b\"} 2",
        "portico_disk_level 2",
        "portico_api_requests_total{operation=\"getUser\",status=\"404\"} 1",
        "portico_api_requests_total{operation=\"getUser\",status=\"other\"} 1",
        "portico_journal_sync_p99_seconds 0.0008",
        "portico_outbound_seconds_bucket{le=\"+Inf\"} 1",
        "portico_outbound_seconds_sum 0.0008",
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line} is not in\n{text}");
    }
    assert_eq!(shop.outcomes.get(WebhookOutcome::Duplicate), 2);
}

#[test]
fn a_handle_is_made_once_even_by_many_threads() {
    let metrics = Metrics::new();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..1000 {
                    metrics.webhook("busy").outcomes.inc(WebhookOutcome::Accepted);
                }
            });
        }
    });
    assert_eq!(metrics.webhook("busy").outcomes.get(WebhookOutcome::Accepted), 8000);
    assert!(Arc::ptr_eq(&metrics.webhook("busy"), &metrics.webhook("busy")));
}

#[test]
fn who_listens_is_counted_until_they_go() {
    let metrics = Metrics::new();
    let held = [Road::WebSocket, Road::WebSocket, Road::Poll].map(|road| metrics.live("site").open(road));
    metrics.hellos_refused.inc(HelloRefusal::Origin);
    let shows = |line: &str| metrics.encode().lines().any(|shown| shown == line);
    assert!(shows("portico_live_open{installation=\"site\",road=\"websocket\"} 2"));
    assert!(shows("portico_live_open{installation=\"site\",road=\"poll\"} 1"));
    assert!(shows("portico_live_slow_readers_cut_total{installation=\"site\"} 0"));
    assert!(shows("portico_hellos_refused_total{reason=\"origin\"} 1"));
    drop(held);
    assert!(shows("portico_live_open{installation=\"site\",road=\"websocket\"} 0"));
}

#[test]
fn words_stand_at_their_place() {
    fn check<W: Word + PartialEq + std::fmt::Debug>() {
        let mut texts = HashSet::new();
        for (index, word) in W::ALL.iter().enumerate() {
            assert_eq!(word.index(), index);
            assert!(texts.insert(word.as_str()), "{word:?}");
        }
    }
    check::<WebhookOutcome>();
    check::<Refusal>();
    check::<EventOutcome>();
    check::<DispatchOutcome>();
    check::<BreakerState>();
    check::<SendOutcome>();
    check::<DiskLevel>();
    check::<Listener>();
    check::<Limit>();
    check::<Road>();
    check::<HelloRefusal>();
}
