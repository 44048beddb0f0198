"""The words that the built-in tasks are made of: a singular beside its plural.

They are plain lists. A list is longer than any one tokenizer needs: a generator keeps only the
words that are single tokens after a space, so that all prompts of a task have the same length.
"""

# Things that last: "The war lasted from the year ...".
EVENTS = (
    "war", "siege", "battle", "campaign", "conflict", "crisis", "rebellion", "revolution",
    "uprising", "occupation", "alliance", "treaty", "dynasty", "reign", "empire", "regime",
    "reform", "movement", "expedition", "voyage", "journey", "tour", "festival", "exhibition",
    "project", "construction", "program", "experiment", "investigation", "trial", "dispute",
    "debate", "strike", "boycott", "embargo", "famine", "drought", "epidemic", "plague",
    "outbreak", "migration", "expansion", "recession", "boom", "partnership", "marriage",
    "friendship", "rivalry", "career", "tradition", "ceremony", "negotiation", "conspiracy",
    "struggle", "invasion", "truce", "feud", "winter", "harvest", "study",
)  # fmt: skip

# Subjects that are things, and what they can be on, under, near ...
THINGS = (
    ("key", "keys"), ("book", "books"), ("letter", "letters"), ("picture", "pictures"),
    ("box", "boxes"), ("bottle", "bottles"), ("cup", "cups"), ("plate", "plates"),
    ("coin", "coins"), ("card", "cards"), ("toy", "toys"), ("flower", "flowers"),
    ("lamp", "lamps"), ("paper", "papers"), ("phone", "phones"), ("shirt", "shirts"),
    ("stone", "stones"), ("tool", "tools"), ("camera", "cameras"), ("ticket", "tickets"),
    ("ring", "rings"), ("knife", "knives"), ("gift", "gifts"), ("computer", "computers"),
)  # fmt: skip
PLACES = (
    ("cabinet", "cabinets"), ("table", "tables"), ("chair", "chairs"), ("desk", "desks"),
    ("shelf", "shelves"), ("bed", "beds"), ("door", "doors"), ("window", "windows"),
    ("wall", "walls"), ("car", "cars"), ("tree", "trees"), ("house", "houses"),
    ("bridge", "bridges"), ("truck", "trucks"), ("boat", "boats"), ("tower", "towers"),
)  # fmt: skip
THING_PREPOSITIONS = ("on", "under", "near", "behind", "beside", "by")

# Subjects that are people, and whom they can be near, behind ...
PEOPLE = (
    ("teacher", "teachers"), ("doctor", "doctors"), ("student", "students"),
    ("farmer", "farmers"), ("driver", "drivers"), ("singer", "singers"), ("writer", "writers"),
    ("artist", "artists"), ("worker", "workers"), ("player", "players"),
    ("soldier", "soldiers"), ("lawyer", "lawyers"), ("boy", "boys"), ("girl", "girls"),
    ("friend", "friends"), ("guest", "guests"), ("pilot", "pilots"), ("judge", "judges"),
    ("officer", "officers"), ("actor", "actors"),
)  # fmt: skip
PEOPLE_PREPOSITIONS = ("near", "behind", "beside", "with", "by")

# Verbs of the present tense (and "was"), third person singular beside the plural.
VERBS = (
    ("is", "are"), ("was", "were"), ("has", "have"), ("does", "do"), ("goes", "go"),
    ("seems", "seem"), ("looks", "look"), ("appears", "appear"), ("comes", "come"),
    ("makes", "make"), ("takes", "take"), ("gives", "give"), ("gets", "get"),
    ("needs", "need"), ("wants", "want"), ("remains", "remain"), ("stays", "stay"),
    ("belongs", "belong"), ("contains", "contain"), ("shows", "show"), ("works", "work"),
    ("becomes", "become"), ("says", "say"), ("lives", "live"),
)  # fmt: skip

# Given names that most tokenizers of English hold whole.
NAMES = (
    "Mary", "John", "James", "Robert", "Michael", "David", "William", "Richard", "Joseph",
    "Thomas", "Charles", "Daniel", "Matthew", "Anthony", "Mark", "Paul", "Steven", "Andrew",
    "Kevin", "Brian", "George", "Edward", "Peter", "Henry", "Adam", "Jack", "Simon", "Martin",
    "Patrick", "Alex", "Sam", "Dan", "Tom", "Jim", "Bob", "Frank", "Ryan", "Eric", "Scott", "Jason",
    "Sarah", "Laura", "Anna", "Emma", "Alice", "Emily", "Rachel", "Susan", "Linda", "Karen",
    "Lisa", "Nancy", "Helen", "Julia", "Kate", "Jane", "Maria", "Rose", "Claire", "Amy",
    "Jessica", "Elizabeth", "Rebecca", "Victoria", "Louise",
)  # fmt: skip
OPENINGS = ("When", "After", "While", "As")
DESTINATIONS = (
    "store", "park", "school", "office", "station", "hospital", "restaurant", "garden",
    "library", "beach", "market", "house", "museum", "church", "hotel", "theater",
)  # fmt: skip
GIVING = ("gave", "handed", "passed", "offered", "brought")
OBJECTS = (
    "drink", "book", "ring", "letter", "card", "gift", "key", "flower", "ball", "bag",
    "phone", "watch", "picture", "ticket", "box", "computer",
)  # fmt: skip
