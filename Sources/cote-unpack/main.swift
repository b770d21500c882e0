import CoteUnpack
import Glibc

exit(UnpackWorker.main())
