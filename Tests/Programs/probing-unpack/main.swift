import CoteSystem
import CoteUnpack
