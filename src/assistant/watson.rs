//! IBM's assistants. One module per API generation: [`v2`], watsonx Assistant with sessions or without; [`v1`], Watson Assistant's
//! workspaces; [`soe`], service orchestration engines that speak v1 at an address of their own.
//!
//! What the generations share lies beside them: who we are there (`credentials`, `token`), the HTTP exchange and what its
//! failures mean (`exchange`), a second place (`backup`), walking an answer whose shape nobody guarantees (`json`), what it
//! shows (`items`), the places of `smsAction` (`command`), contexts on their way back (`context`), what may stand in a text
//! (`text`) and in an address (`address`). Nothing here knows what an item or a command means: that is the core's business.

mod address;
pub mod backup;
mod command;
mod context;
mod credentials;
mod exchange;
mod items;
mod json;
pub(crate) mod message;
#[doc(hidden)]
pub mod readers;
pub mod soe;
mod text;
mod token;
pub mod v1;
pub mod v2;
