read -r given
echo "$given"
