//! JSON of metrics: a list of objects, each with its `id`. Files of earlier versions have a map by id instead, which is
//! read as well.

use indexmap::IndexMap;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Serialize)]
struct Entry<'a, T> {
    id: &'a str,
    #[serde(flatten)]
    content: &'a T,
}

#[derive(Deserialize)]
struct OwnedEntry<T> {
    id: String,
    #[serde(flatten)]
    content: T,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ListOrMap<T> {
    List(Vec<OwnedEntry<T>>),
    Map(IndexMap<String, T>),
}

/// Writes the values as a list, in their order.
pub fn serialize<T: Serialize, S: Serializer>(by_id: &IndexMap<String, T>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(by_id.iter().map(|(id, content)| Entry { id, content }))
}

/// Reads a list of objects with an `id`, or a map by id.
pub fn deserialize<'de, T: DeserializeOwned, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<IndexMap<String, T>, D::Error> {
    Ok(match ListOrMap::deserialize(deserializer)? {
        ListOrMap::List(list) => list.into_iter().map(|entry| (entry.id, entry.content)).collect(),
        ListOrMap::Map(map) => map,
    })
}
