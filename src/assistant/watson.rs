//! IBM's assistants. One module per API generation; today [`v2`], the stateful messages of watsonx Assistant.
//!
//! What the generations share lies beside them: the HTTP exchange and what its failures mean (`exchange`), walking an answer
//! whose shape nobody guarantees (`json`), the places of `smsAction` (`command`), and what may stand in a text (`text`).
//! Nothing here knows what an item or a command means: that is the core's business.

mod command;
mod exchange;
mod json;
mod text;
pub mod v2;
