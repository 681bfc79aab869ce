//! People belong to their installation, and a conversation moves to a person who became known, once.

use portico_store::records::TagMap;

use super::world::{World, text_of};
use crate::{LiveError, NewPerson, PersonChange, What};

fn tags(pairs: &[(&str, &str)]) -> TagMap {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test]
async fn a_person_is_made_found_changed_and_removed() {
    let world = World::new().await;
    let new = NewPerson {
        party: Some("ana".into()),
        name: Some("Ana".into()),
        profile: Some("likes tea".into()),
        data: tags(&[("plan", "free")]),
        ..NewPerson::default()
    };
    let user = world.live.create_user(&world.at, new.clone()).await.unwrap();
    assert_eq!(user.tags, tags(&[("webchat:profile", "likes tea")]));
    assert_eq!(world.live.create_user(&world.at, new.clone()).await, Err(LiveError::Taken("user")));
    // The same name at another installation is another person.
    let twin = world.live.create_user(&world.other, new).await.unwrap();
    assert_ne!(twin.id, user.id);
    assert_eq!(world.live.user(&world.at, &twin.id).await.unwrap(), None);
    assert_eq!(world.live.user_of_party(&world.at, "ana").await.unwrap(), Some(user.clone()));
    let change = PersonChange {
        name: Some("Ana B".into()),
        profile: Some(String::new()),
        data: tags(&[("plan", ""), ("lang", "fr")]),
        ..PersonChange::default()
    };
    let changed = world.live.update_user(&world.at, &user.id, change).await.unwrap();
    assert_eq!((changed.name.as_deref(), &changed.tags), (Some("Ana B"), &TagMap::new()));
    assert_eq!(changed.properties, tags(&[("lang", "fr")]));
    assert!(!world.live.is_verified(&world.at, &changed));
    world.live.delete_user(&world.at, &user.id).await.unwrap();
    assert_eq!(world.live.user(&world.at, &user.id).await.unwrap(), None);
    let gone = world.live.update_user(&world.at, &user.id, PersonChange::default()).await;
    assert_eq!(gone, Err(LiveError::NotFound("user")));
}

#[tokio::test]
async fn what_is_wrong_about_a_person_is_named() {
    let world = World::new().await;
    let refused = async |new| world.live.create_user(&world.at, new).await.unwrap_err().to_string();
    let new = NewPerson::default();
    let party = NewPerson { party: Some("a\nb".into()), ..new.clone() };
    assert_eq!(refused(party).await, "id: must have 1 to 500 bytes without control characters");
    let profile = NewPerson { profile: Some("é".repeat(1_001)), ..new.clone() };
    assert_eq!(refused(profile).await, "profile: must have at most 1000 characters");
    let name = NewPerson { name: Some("x".repeat(501)), ..new.clone() };
    assert_eq!(refused(name).await, "name: must have at most 500 bytes");
    let data = (0..51).map(|index| (index.to_string(), "x".to_owned())).collect();
    assert_eq!(refused(NewPerson { data, ..new }).await, "data: may have at most 50 entries");
}

#[tokio::test]
async fn a_conversation_moves_with_what_was_said_and_its_ids_once() {
    let world = World::new().await;
    let (anonymous, conversation) = world.visitor().await;
    let said = world.say(conversation, &anonymous.id, "c-000001").await;
    let ana = NewPerson { party: Some("ana".into()), verified: true, ..NewPerson::default() };
    let ana = world.live.create_user(&world.at, ana).await.unwrap();
    assert!(world.live.is_verified(&world.at, &ana));
    let mut listener = world.listen(conversation).after(1);
    world.live.move_user(&world.at, &anonymous.id, &ana.id, conversation).await.unwrap();
    let moved = super::world::item(&mut listener).await;
    let What::Conversation { conversation: Some(row) } = &moved.what else { panic!() };
    assert_eq!(row.recipient.as_ref(), Some(&ana.id));
    assert!(world.live.takes_part(&world.at, conversation, &ana.id).await.unwrap());
    assert!(!world.live.takes_part(&world.at, conversation, &anonymous.id).await.unwrap());
    let history = world.live.history(&world.at, conversation, None, 10).await.unwrap();
    let What::Message { message, .. } = &history[0].what else { panic!() };
    assert_eq!((&message.user, text_of(&history[0]).as_str()), (&ana.id, "c-000001"));
    // A repeat that was under way during the move is known under the new name.
    let again = world.say(conversation, &ana.id, "c-000001").await;
    assert_eq!((again.message.id, again.seq, again.repeat), (said.message.id, said.seq, true));
    // Done twice it changes nothing; it never goes on to a third person.
    world.live.move_user(&world.at, &anonymous.id, &ana.id, conversation).await.unwrap();
    let ben = NewPerson { party: Some("ben".into()), verified: true, ..NewPerson::default() };
    let ben = world.live.create_user(&world.at, ben).await.unwrap();
    for from in [&ana.id, &anonymous.id] {
        let refused = world.live.move_user(&world.at, from, &ben.id, conversation).await;
        assert!(matches!(refused, Err(LiveError::Forbidden(_))));
    }
}
