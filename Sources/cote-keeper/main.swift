import CoteDriverOCI
import CoteKeeper
import CoteModel
import Glibc

exit(Keeper.main(driver: OCIDriver(), guards: .all))
