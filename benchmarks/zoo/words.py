"""The words that the zoo's tokenizers know whole, and prompts made of them.

Pipelines cut fixed numbers of template tokens away, as if a template word were one token. So every word of
their templates is in the vocabulary; other words fall apart into characters.
"""

TEMPLATE_WORDS = """
You are a helpful assistant designed to generate superior images with the degree of image-text alignment
based on textual prompts or user Prompt Start Describe image by detailing color shape size texture
quantity text spatial relationships objects and background key features input then explain how user's
instruction should alter modify Generate new that meets requirements while maintaining consistency
original where appropriate system assistant the video following aspects main content theme contents
actions events behaviors temporal physical movement changes environment light style atmosphere camera
angles movements transitions used in As an captioning expert generation text-image pair descriptive
prompt suitable for generation from given reference editing first analyze content provided create
describing intended result engineer Based on source scenes create professional engineering detailed Name
visual whether it is footage animation zoom view dynamism presented location characters effects
postprocessing if they scene Pay attention order shown Picture Make reasons about descriptions structured
responses focusing relationships object attribution without speculation give will who not of resolution
seconds long FPS captured Follow prompt literally exact counts colors positions relations ensuring
elements shaken moves mounted frame
"""

COMMON_WORDS = """
a an the in on of by with at to from red green blue yellow white black small large old young cat dog fox
owl house tree river sea boat car street night day snow rain sun moon sky field flower stone bridge tower
garden forest cloud painting photo drawing under over near bright dark quiet bad quality blurry low worst
best light soft song piano drum wind storm walks runs sleeps flies sings glows very and is one two three
"""

EQUAL_PROMPTS = ("a red fox in the snow", "a blue boat on the river", "a small house near the sea")
UNEQUAL_PROMPTS = (
    "a fox",
    "a blue boat on the quiet river under the dark sky",
    "an old tower near the sea",
)
