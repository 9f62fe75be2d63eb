// A site that inserts forms after the page has loaded.
const place = document.getElementById("place");
fetch(place.dataset.from)
  .then((response) => response.text())
  .then((text) => {
    place.innerHTML = text;
  });
