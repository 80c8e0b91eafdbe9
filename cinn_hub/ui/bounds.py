"""All bounds of the app on one page: what a request may ask for, what is kept, and for how long."""

# One request
REQUEST_BYTES = 1_000_000  # of values; files are uploaded
UPLOAD_BYTES = 600_000_000  # of all files of one upload
FILE_SIZE = "300mb"  # of one of them, which may be an archive
LETTERS = 4000  # of a text
PARTS = 2000  # of one value, counting all that lies in it
DEPTH = 8
LARGEST_NUMBER = 2**64
FILES = 200  # of one value
LAYERS = 4  # of a drawing
SKETCH_PIXELS = 4_000_000
SILENT_SECONDS = 20  # of a request that has begun to come, or of a header
CONNECTIONS = 2000
PHOTO_PIXELS = 50_000_000

# One job that decodes what a visitor sent, in a process of its own
JOB_MEGABYTES = 300  # of memory; two such jobs run at once
LARGE_JOB_MEGABYTES = 600  # of one that needs more, and is alone
JOB_CPU_SECONDS = 30  # of a processor
JOB_SECONDS = 240  # on the clock, where others use the processors, too

# All visitors together
MEMORY_MEGABYTES = 200  # of photos and answers
DISK_MEGABYTES = 2000  # of uploads, previews and downloads
SESSIONS = 400  # whose components Gradio remembers: 0.4 MB each
WAITING_FOR_COLORS = 32
WAITING_SECONDS, FEW = 180, 4  # nobody waits longer, unless fewer than that are before them
ABSENT_SECONDS = 5  # after so long, what nobody listens to waits no more
THREADS = 300  # of Gradio, which begins all requests at once; they wait in our lines

# How long
KEPT_SECONDS = 3600  # uploads and previews
DOWNLOAD_SECONDS = 300  # files made to be downloaded: browsers fetch them at once
FRESH_SECONDS = 30  # what was written to so lately is not deleted, and an upload goes on
LEAST_FILE = 32_000  # bytes that any file counts as
NEW_SECONDS = 5  # an app's folder so new may not be locked yet
HOUSE_SECONDS = 5  # between two times when files and freed memory are looked after
