//! Chat templates.

use std::collections::BTreeMap;
use std::path::Path;

use stepwise_data::conversation::{Conversation, Part, Role};
use stepwise_vlm::processor::template::ChatTemplate;

use crate::refused;

/// A question about a picture, answered and asked on.
pub(crate) fn conversation() -> Conversation {
    let mut conversation = Conversation::default();
    conversation.push(Role::System, vec![Part::text("Answer in a word.")]);
    conversation.push(Role::User, vec![Part::Image { index: 0 }, Part::text("What is shown?")]);
    let mut conversation = conversation.answered("A lung");
    conversation.push(Role::User, vec![Part::text("Which side?")]);
    conversation
}

/// A chat template, filled with a conversation.
///
/// # Errors
/// When it is none, or fails.
pub fn template(data: &[u8]) -> Result<(), String> {
    let special = BTreeMap::from([("bos_token".to_owned(), "<s>".to_owned())]);
    let template = ChatTemplate::new(Path::new("chat_template.jinja"), &String::from_utf8_lossy(data), special)
        .map_err(refused)?;
    for ask in [false, true] {
        template.render(&conversation().messages, ask).map_err(refused)?;
    }
    Ok(())
}
