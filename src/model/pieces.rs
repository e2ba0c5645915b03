//! A snapshot cut into pieces: a site of any size crosses a line whose messages are short.

use super::entity::{Generation, ReleasedGeneration};
use super::map_set::{MapSet, PairUse};
use super::session::ArrayVolume;
use super::snapshot::{BackupVolumeView, OperationView, SessionView, Snapshot, TransactionVolumeView};
use super::volume_set::VolumeSet;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Rows of a piece: some 200 KB as a document. A snapshot of fewer rows is not cut.
pub const PIECE_ROWS: usize = 512;

macro_rules! lists {
    ($($name:ident: $variant:ident($row:ty),)*) => {
        /// Some rows of one list of a snapshot, in the list's order.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Piece<'a> {
            $($variant(Cow<'a, [$row]>),)*
        }

        /// The rows that have come so far of a snapshot whose end is still to come.
        #[derive(Debug, Default)]
        pub struct Assembly {
            $($name: Vec<$row>,)*
        }

        impl Snapshot {
            /// How many rows all lists have together.
            pub fn row_count(&self) -> usize {
                [$(self.$name.len()),*].into_iter().sum()
            }

            /// All rows in pieces, and the snapshot without them. A snapshot of few rows keeps them and has no pieces.
            pub fn cut(&self) -> (Vec<Piece<'_>>, Self) {
                if self.row_count() <= PIECE_ROWS {
                    return (Vec::new(), self.clone());
                }
                let mut pieces = Vec::new();
                $(pieces.extend(self.$name.chunks(PIECE_ROWS).map(|rows| Piece::$variant(rows.into())));)*
                (pieces, Self { $($name: Default::default(),)* ..self.clone() })
            }
        }

        impl Assembly {
            /// Takes the next piece.
            pub fn take(&mut self, piece: Piece<'_>) {
                match piece {
                    $(Piece::$variant(rows) => self.$name.extend(rows.into_owned()),)*
                }
            }

            /// Puts the pieces that came into the message that ends them: the snapshot is whole.
            pub fn finish(self, end: &mut Snapshot) {
                $(if !self.$name.is_empty() {
                    // What came in pieces has no row at the end.
                    end.$name = self.$name.into();
                })*
            }
        }
    };
}

lists! {
    transaction_volumes: TransactionVolumes(TransactionVolumeView),
    pool: Pool(BackupVolumeView),
    sessions: Sessions(SessionView),
    generations: Generations(Generation),
    released: Released(ReleasedGeneration),
    operations: Operations(OperationView),
    unregistered: Unregistered(ArrayVolume),
    map_sets: MapSets(MapSet),
    map_uses: MapUses(PairUse),
    volume_sets: VolumeSets(VolumeSet),
}
