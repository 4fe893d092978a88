"""What can be wrong with a whole file or with how it is mapped; one bad row is a ``BadRow``, never an error.

DomainError
└── ImportRefused                 a file or a mapping that cannot be imported as it is
    ├── UnreadableFile            the file is not what it says, ends too early or cannot be opened
    ├── UnknownEncoding           its text is not UTF-8 and nobody said what it is
    ├── DuplicateColumn           two columns have one name
    ├── BadMapping                --map names a column or a field that is not there, or says two things
    ├── MissingColumn             a field that must be there has no column
    └── WrongType                 a column's declared type can never be the field's
DomainError
└── RejectsNotWritten             the rejects file could not be written (full disk, closed folder)
"""

from regulars.kernel.errors import DomainError, Kind


class ImportRefused(DomainError):
    """A file or a mapping that cannot be imported as it is."""

    kind = Kind.INVALID
    code = "import.refused"


class UnreadableFile(ImportRefused):
    """The file is not what its name says, ends too early, or cannot be opened."""

    code = "import.unreadable_file"


class UnknownEncoding(ImportRefused):
    """The file's text is not UTF-8 and no encoding was given."""

    code = "import.unknown_encoding"


class DuplicateColumn(ImportRefused):
    """Two columns of one file have the same name."""

    code = "import.duplicate_column"


class BadMapping(ImportRefused):
    """A mapping names what is not there, or two columns for one field."""

    code = "import.bad_mapping"


class MissingColumn(ImportRefused):
    """A required field has no column."""

    code = "import.missing_column"


class WrongType(ImportRefused):
    """A column's declared type can never become what its field needs."""

    code = "import.wrong_type"


class RejectsNotWritten(DomainError):
    """The file of rejected rows could not be written."""

    kind = Kind.UNAVAILABLE
    code = "import.rejects_not_written"
