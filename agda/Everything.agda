{-# OPTIONS --safe --without-K #-}

-- Every module: to check this one is to check all.

module Everything where

import Prism.Arena.Base
import Prism.Arena.Properties
import Prism.Cycle.Base
import Prism.Cycle.Properties
import Prism.Docflow.Base
import Prism.Docflow.Properties
import Prism.Gates.Base
import Prism.Gates.Generated
import Prism.Gates.Lemmas
import Prism.Gates.Properties
import Prism.Generated
import Prism.Key.Base
import Prism.Key.Properties
import Prism.Layout.Base
import Prism.Layout.Properties
import Prism.Ledger.Base
import Prism.Ledger.Lemmas
import Prism.Ledger.Properties
import Prism.List.Base
import Prism.List.Properties
import Prism.Logic.Base
import Prism.Logic.Properties
import Prism.Mixing.Base
import Prism.Mixing.Properties
import Prism.Model.Base
import Prism.Nat.Base
import Prism.Nat.Properties
import Prism.Rewrite.Base
import Prism.Rewrite.Lemmas
import Prism.Rewrite.Properties
import Prism.Ring.Base
import Prism.Ring.Generated
import Prism.Ring.Lemmas
import Prism.Ring.Properties
import Prism.Sharing.Base
import Prism.Sharing.Lemmas
import Prism.Sharing.Properties
import Prism.Signature.Base
import Prism.Status.Properties
import Prism.Strata.Base
import Prism.Strata.Properties
